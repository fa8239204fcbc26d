#!/usr/bin/env python3
"""Asks a TPM for a quote of its registers and sends it to dsmild, which judges it (device 56).

    examples/quote.py AK_CONTEXT AK_PEM [sha256:0,1,2,3,4,5,6,7]

AK_CONTEXT is the attestation key as tpm2_createak made it (-c), or the handle that it was made persistent at; AK_PEM its public part
(tpm2_readpublic -f pem). TPM2TOOLS_TCTI says which TPM. Whoever asks chooses the nonce: run this where the answer is wanted, by way of ssh
for another machine, and not from a timer of the machine that is to be judged. Then an answer cannot be an old one.
"""

import base64
import pathlib
import secrets
import subprocess
import sys
import tempfile

from send import send

BYTES = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}


def values(selection, dump):
    """The registers in the order in which they were asked for, as tpm2_quote -F values writes them."""
    registers, at = {}, 0
    for bank, numbers in (part.split(":") for part in selection.split("+")):
        for number in sorted(map(int, numbers.split(","))):
            registers.setdefault(bank, {})[str(number)] = dump[at : at + BYTES[bank]].hex()
            at += BYTES[bank]
    return registers


def main():
    key, public = sys.argv[1:3]
    selection = sys.argv[3] if len(sys.argv) > 3 else "sha256:0,1,2,3,4,5,6,7"
    nonce = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as folder:
        attest, signature, dump = (pathlib.Path(folder, name) for name in ("attest", "signature", "registers"))
        subprocess.run(
            ["tpm2_quote", "-Q", "-c", key, "-l", selection, "-q", nonce, "-m", attest, "-s", signature, "-o", dump, "-F", "values"],
            check=True,
        )
        send({
            "kind": "quote",
            "nonce": nonce,
            "attest": base64.b64encode(attest.read_bytes()).decode(),
            "signature": base64.b64encode(signature.read_bytes()).decode(),
            "ak": pathlib.Path(public).read_text(),
            "registers": values(selection, dump.read_bytes()),
        })


if __name__ == "__main__":
    main()
