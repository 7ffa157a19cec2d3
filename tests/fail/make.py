#!/usr/bin/env python3
"""Makes the broken files of this folder out of the good ones of ../fuzz/corpus: make.py"""
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "..", "fuzz", "corpus")


def good(name):
    with open(os.path.join(CORPUS, name), "rb") as f:
        return f.read()


def write(name, data):
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(data)


def change(data, at, new):
    return data[:at] + new + data[at + len(new):]


zstd = good("tracedat/form0.dat")    # version 7, zstd, two CPUs
plain = good("tracedat/real2.dat")   # version 7, no compression
six = good("tracedat/form3.dat")     # version 6
own = good("tracedat/own.dat")       # with our own sections
restarts = good("tracedat/clock-restarts.dat")  # with one CLOCK section, in which the counter falls at every pair
perf = good("perf/file.data")
packed = good("perf/zstd.data")
pipe = good("perf/pipe.data")

write("empty.dat", b"")
write("text.dat", b"hello, this is no trace\n")
write("head-cut.dat", zstd[:9])
write("head-cut-2.dat", zstd[:17])
write("version-5.dat", change(zstd, 10, b"5"))
write("byte-order.dat", change(zstd, 12, b"\x07"))
write("long-of-3.dat", change(zstd, 13, b"\x03"))
write("page-size-0.dat", change(zstd, 14, struct.pack("<I", 0)))
write("compression-lz77.dat", change(zstd, 18, b"lz77"))
options = struct.unpack_from("<Q", zstd, 25)[0]
write("options-outside.dat", change(zstd, 25, struct.pack("<Q", len(zstd) + 5)))
write("options-wrong-section.dat", change(zstd, 25, struct.pack("<Q", 33)))
write("truncated-options.dat", zstd[:-20])
write("section-bomb.dat", change(zstd, 33 + 16 + 4, struct.pack("<I", 0xFFFFFFFF)))
write("section-garbage.dat", change(zstd, 33 + 16 + 8 + 20, b"\xff" * 16))
chunk = zstd.index(b"\x28\xb5\x2f\xfd", 4096)  # first compressed pages
write("chunk-garbage.dat", change(zstd, chunk + 30, b"\xff" * 40))
write("chunk-bomb.dat", change(zstd, chunk - 4, struct.pack("<I", 0x7FFFF000)))
write("chunk-odd-size.dat", change(zstd, chunk - 4, struct.pack("<I", 4097)))
write("chunk-past-end.dat", change(zstd, chunk - 8, struct.pack("<I", 0x7FFFFFFF)))

table = plain.index(b"header_page")
pages = 4096 * ((plain.index(b"print fmt", plain.rindex(b"name:")) + 4095) // 4096)
write("page-overfull.dat", change(plain, pages + 8, struct.pack("<Q", 5000)))
write("record-too-long.dat", change(plain, pages + 16, struct.pack("<II", 0, 100000)))
write("record-short.dat", change(plain, pages + 16, struct.pack("<II", 1, 0)))
write("record-length-0.dat", change(plain, pages + 16, struct.pack("<II", 0, 0)))
write("formats-cut.dat", change(plain, plain.index(b"name:") - 8, struct.pack("<Q", 1 << 40)))

write("six-cut.dat", six[: len(six) - 5000])
write("six-no-flyrecord.dat", six.replace(b"flyrecord", b"flyrecore"))
write("six-latency.dat", six.replace(b"flyrecord\0", b"latency  \0"))
write("six-many-cpus.dat", change(six, six.index(b"options  \0") - 4, struct.pack("<I", 1 << 30)))

write("clock-restarts.dat", restarts)
write("facts-no-json.dat", own.replace(b'{"schema_version": 1, "tool"', b'["schema_version": 1, "tool"'))
write("facts-array.dat", own.replace(b'{"schema_version": 1, "stop_mono_ns": 9000000000000}',
                                     b'[12345678901234567890, 234567890, 2345678901234567]'[:52].ljust(52)))

write("perf-cut.data", perf[:-100000] if len(perf) > 200000 else perf[: len(perf) // 2])
write("perf-head-cut.data", perf[:60])
write("perf-head-size.data", change(perf, 8, struct.pack("<Q", 77)))
write("perf-no-data.data", change(perf, 48, struct.pack("<Q", 0)))
write("perf-attr-size.data", change(perf, 16, struct.pack("<Q", 8)))
data = struct.unpack_from("<Q", perf, 40)[0]
# none of ours: what stands before the data are no formats
write("perf-no-data-foreign.data", change(perf, 40, struct.pack("<QQ", data + 16, 0))[: data + 64])
write("perf-record-size-0.data", change(perf, data + 6, struct.pack("<H", 0)))
at = struct.unpack_from("<Q", packed, 40)[0]
while struct.unpack_from("<I", packed, at)[0] != 81:
    at += struct.unpack_from("<H", packed, at + 6)[0]
write("perf-zstd-garbage.data", change(packed, at + 16, b"\xff" * 32))
write("pipe-cut.data", pipe[: len(pipe) - 3])
