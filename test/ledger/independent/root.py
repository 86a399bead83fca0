"""Root of a file's tree, written from docs/ledger.md alone: python3 root.py FILE STREAM [EPOCH]."""
import gzip
import hashlib
import sys


def sha(data):
    return hashlib.sha256(data)


def leaf(stream, epoch, offset, line):
    nothing = sha(b"").hexdigest()
    text = f"keywitness-leaf/v1\nfile\n{stream}\n0\n{epoch}\n{offset}\n0\n{nothing}\n{nothing}\n{sha(line).hexdigest()}\n1\n"
    return sha(b"\0" + text.encode("ascii")).digest()


def root(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"").digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()


def main(path, stream, epoch="0"):
    data = open(path, "rb").read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    leaves, offset = [], 0
    for line in data.split(b"\n"):
        if line.rstrip(b"\r"):
            leaves.append(leaf(stream, epoch, offset, line.rstrip(b"\r")))
        offset += len(line) + 1
    print(len(leaves), root(leaves).hex())


main(*sys.argv[1:])
