"""Vendor text files in whatever encoding the vendor's computer had."""

from __future__ import annotations

import codecs
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_vendor_text(data: bytes) -> str:
    """Decode a vendor's text: by its byte order mark, else UTF-16, UTF-8 or Windows-1252.

    Text without a mark is UTF-16 when nearly every other byte is zero, UTF-8 when it is valid
    UTF-8, and Windows-1252 otherwise, in which ``µ`` is the byte B5. Bytes that no encoding
    explains become U+FFFD.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    sample = data[:4096]
    if len(sample) >= 4:
        half = len(sample) // 2
        if sample[1::2].count(0) > 0.7 * half and sample[0::2].count(0) < 0.3 * half:
            return data.decode("utf-16-le", errors="replace")
        if sample[0::2].count(0) > 0.7 * half and sample[1::2].count(0) < 0.3 * half:
            return data.decode("utf-16-be", errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
