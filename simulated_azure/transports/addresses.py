"""The addresses by which clients reach this computer."""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress

WILDCARDS = ("0.0.0.0", "::")  # all addresses of this computer
DNS_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
# Addresses for documentation (RFC 5737, RFC 3849), to find the way out. Nothing is sent to them.
ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def is_loopback(host: str) -> bool:
    """Return True if only this computer can reach a host, given as a name or an address.

    Raises OSError if the name has no address.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    addresses = {address[0].partition("%")[0] for *_, address in socket.getaddrinfo(host, None)}
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def remote_hosts(host: str) -> list[str]:
    """Return the addresses and names by which others may reach a server that listens on a host.

    If it listens on all addresses, these are the known ones, then the name of this computer.
    """
    if host not in WILDCARDS:
        return [host]
    family = family_of(host)
    hosts = []
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((ELSEWHERE[family], 9))  # sends nothing
        hosts.append(probe.getsockname()[0])
    name = socket.gethostname()
    with suppress(OSError):
        hosts += [address[0] for *_, address in socket.getaddrinfo(name, None, family)]
    reachable = [address for address in hosts if _is_reachable(address)]
    return list(dict.fromkeys([*reachable, *([name] if DNS_NAME.fullmatch(name) else [])]))


def _is_reachable(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    return not (ip.is_loopback or ip.is_link_local)


def on_this_computer(host: str) -> str:
    """Return the address by which this computer reaches a server of its own that listens on a host.

    >>> on_this_computer("0.0.0.0"), on_this_computer("192.168.1.10")
    ('127.0.0.1', '192.168.1.10')
    """
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def family_of(host: str) -> socket.AddressFamily:
    """Return the address family of a host: IPv6 for an address with colons, else IPv4."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def in_url(host: str) -> str:
    """Return a host as a URL spells it.

    >>> in_url("::1")
    '[::1]'
    """
    return f"[{host}]" if ":" in host else host
