"""Reports on the skill of a prediction: one page of HTML with tables, pictures and explanations."""

from xr_dl4ds.reporting.document import write_report as write_report
