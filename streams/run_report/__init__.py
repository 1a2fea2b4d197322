"""The report of one run for quality assurance: gathered from the ledger, laid out as one value, written as HTML."""

from streams.run_report.document import RunReport, report_id, write_json
from streams.run_report.gather import Choice, NoSuchRunError, make_report
from streams.run_report.page import write_html

__all__ = ["Choice", "NoSuchRunError", "RunReport", "make_report", "report_id", "write_html", "write_json"]
