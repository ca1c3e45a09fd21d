"""`madrigal report RUN`."""

from pathlib import Path

from madrigal.report import closing_table, write_report


def write(run: Path) -> None:
    """Writes report.html and prints the closing table."""
    from rich.console import Console

    page = write_report(run)
    console = Console()
    console.print(closing_table(run))
    console.print(f"report: {page}", highlight=False, soft_wrap=True)
