"""From the files of a run folder to pages that a person reads. Knows no model."""

from madrigal.report.card import model_card
from madrigal.report.console import closing_table
from madrigal.report.page import write_report
from madrigal.report.tax import tax_table

__all__ = ["closing_table", "model_card", "tax_table", "write_report"]
