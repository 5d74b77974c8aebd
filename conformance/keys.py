"""Content keys that the judges know: those they put into configurations themselves, and those a key server hands out.

Key IDs, keys and IVs are hashes of names, so that a run can be repeated and no value is ever the same as another.
"""
import base64
import hashlib
import json
import urllib.request
import uuid


def _hash(what, name):
    return hashlib.sha256(f"packorigin judges, {what} of {name}".encode()).digest()[:16]


class Key:
    """One key of a configuration, for tracks of one type."""

    def __init__(self, name, track_type="ALL"):
        self.track_type = track_type
        self.id, self.key, self.iv = (_hash(what, f"{name} {track_type}") for what in ("key id", "key", "iv"))

    @property
    def uuid(self):
        return str(uuid.UUID(bytes=self.id))

    def setting(self, uri=None, iv=True):
        """An element of `staticKeys`."""
        out = {"trackType": self.track_type, "keyId": self.uuid, "key": self.key.hex()}
        return out | ({"iv": self.iv.hex()} if iv else {}) | ({"uri": uri} if uri else {})


class Keys:
    """Key ID → key, asking a key server for those that are not known."""

    def __init__(self, known=None, server=None):
        self.known, self.server, self.asked = dict(known or {}), server, set()

    def add(self, keys):
        self.known.update((k.id, k.key) for k in keys)

    def __getitem__(self, kid):
        if kid not in self.known:
            if not self.server:
                raise KeyError(f"no key with the ID {kid.hex()}")
            self.known[kid] = raw_key(f"{self.server}/keys/{uuid.UUID(bytes=kid)}")
            self.asked.add(kid)
        return self.known[kid]

    def spoiled(self):
        """The same IDs with every key wrong."""
        return Keys({kid: bytes(b ^ 0x5A for b in key) for kid, key in self.known.items()})


def raw_key(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        key = answer.read()
    if len(key) != 16:
        raise ValueError(f"{url} answers {len(key)} bytes, a key has 16")
    return key


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def un_b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def licence(keys, request):
    """The ClearKey licence (EME, 9.1.4) for a licence request, as bytes; KeyError for a key ID that is not known."""
    kids = [un_b64url(k) for k in json.loads(request)["kids"]]
    body = {"keys": [{"kty": "oct", "kid": b64url(k), "k": b64url(keys[k])} for k in kids], "type": "temporary"}
    return json.dumps(body).encode()
