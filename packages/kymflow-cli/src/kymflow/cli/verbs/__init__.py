"""One module per verb or theme: functions that take paths and return values of `results`."""
