"""Check a proof of consent, offline: python verify_consent.py BUNDLE.zip [--key VKEY]. Needs `cryptography`."""
import argparse, base64, hashlib, json, zipfile
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
def check(holds, what):
    if not holds: raise SystemExit(f"Not proved: {what}.")
NAMES, STAMPED = ["page.html", "proof.json"], ["checkpoint.tsr", "checkpoint.txt"]
def sha(octets): return hashlib.sha256(octets).digest()
def canonical(value): return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()  # RFC 8785
def verify(proof, page, published=None):
    entry, wording, nonce = proof["entry"], dict(proof["wording"]), bytes.fromhex(proof["nonce"])
    check(proof["format"] == "release-mailer proof of consent 1", "the format is unknown")
    check(published in (None, proof["key"]), "it was signed with another key")
    wording["text_sha256"] = sha(wording.pop("text").encode()).hex()
    check(entry["kind"] == "granted" and sha(canonical(wording)).hex() == entry["wording"], "the wording is another one")
    check(nonce.hex() == proof["nonce"], "the nonce is not in its form")
    check(sha(nonce + proof["address"].encode()).hex() == entry["subject"], "the consent is another person's")
    check(sha(page).hex() == proof["page_sha256"], "the page was altered")
    name, key_id, public = proof["key"].split("+", 2)
    key, (text, line) = base64.b64decode(public), proof["checkpoint"].split("\n\n")
    signed, (origin, size, root) = base64.b64decode(line.split(" ")[2]), text.split("\n")
    check(key_id == sha(name.encode() + b"\n" + key)[:4].hex() == signed[:4].hex(), "the key is not in its form")
    check(line == f"\u2014 {name} {base64.b64encode(signed).decode()}\n" and origin == name, "the signature is not in its form")
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(signed[4:], f"{text}\n".encode())  # raises InvalidSignature
    node, last, reached = entry["id"] - 1, int(size) - 1, sha(b"\0" + canonical(entry))  # RFC 9162, section 2.1.3.2
    for sibling in map(bytes.fromhex, proof["path"]):
        reached = sha(b"\1" + (sibling + reached if node & 1 or node == last else reached + sibling))
        while node == last and not node & 1 and node:
            node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
    check(all(bytes.fromhex(one).hex() == one for one in proof["path"]) and last == 0, "the path is not in its form")
    check(base64.b64encode(reached).decode() == root, "the entry is not in the signed ledger")
    print(f"Proved: {proof['address']} agreed to {entry['topic']} on {entry['occurred_at']}, ledger {origin}.")
    print("The key is the given one." if published else f"Compare this key with the published one: {proof['key']}")
if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__); options.add_argument("bundle"); options.add_argument("--key"); given = options.parse_args()
    try:
        files = zipfile.ZipFile(given.bundle); proof, page = json.loads(files.read("proof.json")), files.read("page.html")
        check(sorted(files.namelist()) in (NAMES, [*STAMPED, *NAMES]), "a file is in it twice, or is no part of it"); verify(proof, page, given.key)
    except Exception as error:
        raise SystemExit(f"Not proved: {given.bundle} is no proof bundle, or was altered: {error!r}.")
