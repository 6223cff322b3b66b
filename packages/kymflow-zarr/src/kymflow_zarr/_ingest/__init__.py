"""From files to records: which files a folder holds, one file staged, many files in batches."""
