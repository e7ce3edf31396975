"""VRF: prove and verify on one core; the bar is 1 ms each (issue: stake tickets)."""

import time

from coincurve import PrivateKey

from consensus import vrf

COUNT = 1_000


def main() -> None:
    """Print microseconds per proof made, verified, and decoded."""
    key = PrivateKey.from_int(12_345)
    public = key.public_key.format()
    inputs = [number.to_bytes(8, "big") for number in range(COUNT)]
    start = time.perf_counter()
    proofs = [vrf.prove(key, alpha) for alpha in inputs]
    proved = time.perf_counter()
    for alpha, proof in zip(inputs, proofs, strict=True):
        vrf.verify(public, alpha, proof)
    verified = time.perf_counter()
    for proof in proofs:
        vrf.claimed_output(proof)
    decoded = time.perf_counter()
    print(f"vrf prove            {(proved - start) / COUNT * 1e6:8.1f} us")
    print(f"vrf verify           {(verified - proved) / COUNT * 1e6:8.1f} us")
    print(f"vrf claimed output   {(decoded - verified) / COUNT * 1e6:8.1f} us")


if __name__ == "__main__":
    main()
