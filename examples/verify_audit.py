"""Check an audit, offline: python verify_audit.py AUDIT.zip [--key VKEY]. Needs `cryptography`.

It makes the whole ledger's root anew from its entries, compares it with the signed one, and follows each person's
consent through the entries. An accepted mail has a standing consent where the person's newest entry at that moment left
them with one to the campaign's topic.
"""
import argparse, base64, hashlib, heapq, io, json, sys, zipfile
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "release-mailer audit 1"
OFFERED = {"accepted", "uncertain"}  # the content may have arrived


def check(holds, what):
    if not holds:
        raise SystemExit(f"Not proved: {what}.")


def sha(octets):
    return hashlib.sha256(octets).digest()


def canonical(value):  # RFC 8785, for these values
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def open_note(note, vkey):
    """The text that the key signed (C2SP signed-note)."""
    name, key_id, public = vkey.split("+", 2)
    text, _, line = note.partition("\n\n")
    key, signed = base64.b64decode(public), base64.b64decode(line.split(" ")[2])
    check(key_id == sha(name.encode() + b"\n" + key)[:4].hex() == signed[:4].hex(), "another key signed it")
    check(line == f"\u2014 {name} {base64.b64encode(signed).decode()}\n", "the signature is not in its form")
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(signed[4:], f"{text}\n".encode())  # or InvalidSignature
    return f"{text}\n"


class Tree:
    """The root over lines, as they are added (RFC 6962)."""

    def __init__(self):
        self.size, self.roots = 0, []

    def add(self, line):
        top, complete = hashlib.sha256(b"\0" + line).digest(), self.size
        while complete & 1:
            top, complete = hashlib.sha256(b"\1" + self.roots.pop() + top).digest(), complete >> 1
        self.roots.append(top)
        self.size += 1

    def root(self):
        if not self.roots:
            return sha(b"")
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = sha(b"\1" + left + root)
        return root


class Consents:
    """Where each person stands on each topic, by the commitment to them: (state, since)."""

    def __init__(self):
        self.topics = {}

    def apply(self, entry):
        subject, kind, since = bytes.fromhex(entry["subject"]), sys.intern(entry["kind"]), entry["occurred_at"]
        if kind == "rectified":
            if entry["previous"] is not None:
                for people in self.topics.values():
                    if (former := people.pop(bytes.fromhex(entry["previous"]), None)) is not None:
                        people[subject] = former
        elif kind == "erased":
            for people in self.topics.values():
                people.pop(subject, None)
        elif kind in {"requested", "granted", "withdrawn", "objected"}:
            people = self.topics.setdefault(entry["topic"], {})
            state, before = people.get(subject, (None, ""))
            if kind in {"withdrawn", "objected"}:
                state = "objected" if state == "objected" else kind
                people[subject] = (state, max(since, before))
            elif state in {None, "requested"} or (kind == "granted" and since > before):
                people[subject] = (kind, since)

    def granted(self, topic, subject):
        return self.topics.get(topic, {}).get(subject, ("",))[0] == "granted"


def lines_of(archive, name):
    with archive.open(name) as file:
        for line in io.BufferedReader(file, 1 << 20):
            yield line.rstrip(b"\n")


def deliveries_of(archive, campaign, number, tree):
    """(entry, campaign, subject, outcome) of each delivery, in the order of the entries."""
    last = 0
    for line in lines_of(archive, campaign["file"]):
        tree.add(line)
        values = json.loads(line)
        entry = values["entry"] or 0
        check(entry >= last, f"the deliveries of {campaign['slug']} are not in order")
        last = entry
        yield entry, number, values["subject"], values["outcome"]


def check_own_roots(ledger, at_size):
    """Compare what campaigns say of the ledger's root at this size, and take it out."""
    for slug, own_root in at_size.pop(ledger.size, ()):
        check(base64.b64encode(ledger.root()).decode() == own_root, f"{slug} was sent on another ledger")


def verify(archive, published=None):
    check(len(set(archive.namelist())) == len(archive.namelist()), "a file is in it twice")
    content = archive.read("manifest.json")
    manifest = json.loads(content)
    key = manifest["key"].split("\n")[0]
    check(manifest["format"] == FORMAT, "the format is unknown")
    check(published in (None, key), "it was signed with another key")
    signed = open_note(archive.read("manifest.note").decode(), key)
    check(signed == f"{FORMAT}\n{sha(content).hex()}\n", "the manifest was altered")
    _, size, root = open_note(manifest["checkpoint"], key).rstrip("\n").split("\n")
    topic_of_wording = {}
    for wording in manifest["wordings"]:
        named = {name: wording[name] for name in ("language", "topic", "version")}
        named["text_sha256"] = sha(wording["text"].encode()).hex()
        check(sha(canonical(named)).hex() == wording["commitment"], "a wording was altered")
        topic_of_wording[wording["commitment"]] = wording["topic"]

    campaigns, trees, offered = manifest["campaigns"], [], [0] * len(manifest["campaigns"])
    at_size = {}  # what campaigns say of the ledger's root, by its size
    for campaign in campaigns:
        trees.append(Tree())
        for approval in campaign["approvals"]:
            check(approval["content_hash"] == campaign["content_hash"], f"{campaign['slug']} was approved otherwise")
        if campaign["ledger_checkpoint"] is not None:
            _, own_size, own_root = campaign["ledger_checkpoint"].split("\n\n")[0].split("\n")
            at_size.setdefault(int(own_size), []).append((campaign["slug"], own_root))
    deliveries = heapq.merge(
        *(deliveries_of(archive, each, number, trees[number]) for number, each in enumerate(campaigns)),
        key=lambda delivery: delivery[:2],
    )

    ledger, consents = Tree(), Consents()
    check_own_roots(ledger, at_size)
    delivery = next(deliveries, None)
    while delivery is not None and delivery[0] == 0:
        check(delivery[3] not in OFFERED, "a mail was offered that names no entry")
        delivery = next(deliveries, None)
    for line in lines_of(archive, "entries.jsonl"):
        ledger.add(line)
        entry = json.loads(line)
        check(entry["id"] == ledger.size, f"entry {ledger.size} is missing")
        if entry["wording"] is not None:
            check(topic_of_wording.get(entry["wording"]) == entry["topic"], f"the wording of entry {entry['id']}")
        consents.apply(entry)
        check_own_roots(ledger, at_size)
        while delivery is not None and delivery[0] == ledger.size:
            _, number, subject, outcome = delivery
            if outcome in OFFERED:
                topic, slug = campaigns[number]["topic"], campaigns[number]["slug"]
                check(subject == entry["subject"], f"a mail of {slug} names another person than entry {ledger.size}")
                check(
                    consents.granted(topic, bytes.fromhex(subject)),
                    f"a mail of {slug} had no standing consent at entry {ledger.size}",
                )
                offered[number] += outcome == "accepted"
            delivery = next(deliveries, None)
    check(delivery is None, "a mail names an entry that is not in the ledger")
    for [(slug, _), *_] in at_size.values():
        check(False, f"{slug} was sent on another ledger, which had more entries")
    check(ledger.size == int(size), "the ledger has another size than the signed one")
    check(base64.b64encode(ledger.root()).decode() == root, "the entries are not those that were signed")
    for campaign, tree, accepted in zip(campaigns, trees, offered):
        check((tree.size, tree.root().hex()) == (campaign["deliveries"], campaign["root"]), "deliveries were altered")
        check(accepted == campaign["outcomes"].get("accepted", 0), "the outcomes do not add up")
        report(campaign, accepted)
    window = manifest["window"]
    print(f"Proved: each of {sum(offered):,} accepted mails had a standing consent.")
    print(f"Window: campaigns that were sent from {window['from']} to {window['to']}; made at {manifest['made_at']}.")
    print(f"Ledger: {ledger.size:,} entries. It can't show mails that left no delivery, or bounced later.")
    print("The key is the given one." if published else f"Compare this key with the published one: {key}")


def report(campaign, accepted):
    kept = campaign["sealed_deliveries"]
    if kept is not None and kept == campaign["deliveries"]:
        check(campaign["root"] == campaign["sealed_root"], f"the deliveries of {campaign['slug']} are not those kept")
    deleted = 0 if kept is None else kept - campaign["deliveries"]
    gone = f"; {deleted:,} were deleted at the end of their period, root {campaign['sealed_root']}" if deleted > 0 else ""
    print(f"  {campaign['slug']}: {accepted:,} accepted of {campaign['deliveries']:,} deliveries{gone}")
    for approval in campaign["approvals"]:
        print(f"    approved by {approval['name'] or 'login'} ({approval['login']}) at {approval['approved_at']}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("audit")
    options.add_argument("--key", help="the published key: /.well-known/consent-log-key")
    given = options.parse_args()
    try:
        verify(zipfile.ZipFile(given.audit), given.key)
    except Exception as error:
        raise SystemExit(f"Not proved: {given.audit} is no audit, or was altered: {error!r}.")
