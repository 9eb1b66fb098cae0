"""Lessons: prepared widgets, each with what to notice, a question and its answer; and a page that shows them all."""
