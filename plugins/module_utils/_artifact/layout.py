# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""How a byte stream is cut into symbols, rows and sections.

A symbol is the payload of one datagram, a row is 44 symbols that are contiguous in the stream (one GSO batch), a section is up
to 64 rows (one unit of verification and repair). Only the last section, its last row and its last symbol may be short.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Sequence

#: Bytes in a symbol: fits an MTU of 1500 with the largest IP header (40), UDP (8) and ours, with room for a tunnel's few bytes.
SYMBOL_SIZE = 1400
#: Symbols in a row. 44 * (1400 + header) stays below the 65,507 bytes that one UDP send may carry (linux UDP_SEGMENT, at most 64 or 128 segments).
ROW_SYMBOLS = 44
#: Rows in a section, and so data symbols in a FEC block; with its parity a block must stay within 255 symbols of GF(256).
SECTION_ROWS = 64


@dataclass(frozen=True)
class Layout:
    """The geometry of one stream. All offsets and lengths are bytes unless the name says symbols, rows or sections."""

    size: int
    symbol_size: int = SYMBOL_SIZE
    row_symbols: int = ROW_SYMBOLS
    section_rows: int = SECTION_ROWS

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"the size of a stream cannot be negative: {self.size}")
        if not 1 <= self.symbol_size <= 65000:
            raise ValueError(f"symbol_size must be 1 to 65000 bytes, not {self.symbol_size}")
        if not 1 <= self.row_symbols <= 64:
            raise ValueError(f"row_symbols must be 1 to 64, not {self.row_symbols}")
        if not 1 <= self.section_rows <= 128:
            raise ValueError(f"section_rows must be 1 to 128, not {self.section_rows}")

    @property
    def row_bytes(self) -> int:
        return self.symbol_size * self.row_symbols

    @property
    def section_bytes(self) -> int:
        return self.row_bytes * self.section_rows

    @property
    def section_symbols(self) -> int:
        """Symbols in a full section."""
        return self.row_symbols * self.section_rows

    @property
    def sections(self) -> int:
        return -(-self.size // self.section_bytes)

    @property
    def symbols(self) -> int:
        return -(-self.size // self.symbol_size)

    def section_offset(self, section: int) -> int:
        return section * self.section_bytes

    def section_length(self, section: int) -> int:
        """Bytes in this section: full but for the last."""
        return min(self.section_bytes, self.size - section * self.section_bytes)

    def section_first_symbol(self, section: int) -> int:
        """Number, in the whole stream, of the section's first symbol."""
        return section * self.section_symbols

    def symbols_in(self, section: int) -> int:
        return -(-self.section_length(section) // self.symbol_size)

    def rows_in(self, section: int) -> int:
        return -(-self.section_length(section) // self.row_bytes)


def stream_identity(layout: Layout, section_digests: Sequence[bytes]) -> bytes:
    """SHA-256 over geometry and section digests: two ends that agree on it speak of the same stream."""
    digest = hashlib.sha256(struct.pack("!QHHH", layout.size, layout.symbol_size, layout.row_symbols, layout.section_rows))
    for section_digest in section_digests:
        digest.update(section_digest)
    return digest.digest()
