"""Reading image files and what lies beside them. Knows nothing of datasets or Zarr.

A **reader** opens the image files of one format: `tiff_reader`, and those in `formats`. A **header
reader** reads what lies beside them: those in `headers`. What the programs that write TIFFs say
inside of them is in `vendors`. `protocols` says what all these provide, `registry` which there are.

Each says what it knows as `facts`; `image_file` opens an image and asks them all, and `header`
brings together what they say. `statements`, `units`, `decimals`, `clock` and `xml_text` read what
vendors write.
"""
