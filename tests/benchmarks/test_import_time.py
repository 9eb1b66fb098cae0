"""What `import gradwidgets` costs beyond the libraries that it stands on."""

import statistics
import subprocess
import sys

LIBRARIES = "import torch, matplotlib.figure, ipywidgets, ipympl"
ROUNDS = 7
AT_MOST = 1.1  # times the libraries alone


def fresh(statement: str) -> float:
    """Seconds that a fresh Python takes to run a statement."""
    code = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def test_import_time(benchmark):
    libraries, ours = [], []

    # In turn, because a shared machine is not equally fast from one second to the next.
    def libraries_first():
        libraries.append(fresh(LIBRARIES))

    benchmark.pedantic(lambda: ours.append(fresh("import gradwidgets")), setup=libraries_first, rounds=ROUNDS)

    ratio = statistics.median(ours) / statistics.median(libraries)
    benchmark.extra_info["times the libraries alone"] = round(ratio, 3)
    if not benchmark.disabled:
        print(f"\nimport gradwidgets: {ratio:.2f} x {LIBRARIES} (at most {AT_MOST})")
        assert ratio <= AT_MOST


if __name__ == "__main__":
    fresh(LIBRARIES)
    pairs = [(fresh(LIBRARIES), fresh("import gradwidgets")) for _ in range(ROUNDS)]
    theirs, own = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"libraries {theirs:.2f} s, gradwidgets {own:.2f} s: {own / theirs:.2f} x, at most {AT_MOST}")
