"""The report: a dataset as one HTML page to look at, to print and to send.

`reading` reads an image part by part, `figures` draws, `sections` puts both in words, `page` makes
HTML of it. Only the verb opens datasets and writes files.
"""
