"""Monitoring of a training: samples, their record and its file, verdicts and comparisons."""

from gradwidgets.core.monitor.diagnosis import diagnose
from gradwidgets.core.monitor.history import GradientHistory
from gradwidgets.core.monitor.monitor import GradientMonitor
from gradwidgets.core.monitor.record_compare import RecordComparison, compare_records
from gradwidgets.core.monitor.verdicts.record import diagnose_record
from gradwidgets.core.monitor.verdicts.record_checks import RECORD_CHECKS

__all__ = [
    "RECORD_CHECKS",
    "GradientHistory",
    "GradientMonitor",
    "RecordComparison",
    "compare_records",
    "diagnose",
    "diagnose_record",
]
