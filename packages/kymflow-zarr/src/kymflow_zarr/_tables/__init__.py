"""Dataset tables: one Parquet file each, sorted by image, replaced in one step."""
