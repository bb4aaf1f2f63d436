"""What OpenSSL's server makes of hellos: a line in, a line out.

In: the bytes in hexadecimal, a space, and the name of a protocol to choose if the client offers it (or "-").
Out: the server name that OpenSSL saw, in hexadecimal ("-" for none, "?" where it never came to ask), the protocol that it
chose ("-" for none), and "refused", "waits" or "goes on".
"""
import ssl
import sys

certificate, key = sys.argv[1:3]

def look(data, protocol):
    seen = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda connection, name, _: seen.append(name)
    if protocol != "-":
        context.set_alpn_protocols([protocol])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(data)
    try:
        connection.do_handshake()
        state = "goes on"
    except ssl.SSLWantReadError:
        state = "goes on" if outgoing.pending else "waits"
    except (ssl.SSLError, ValueError, UnicodeError):
        state = "refused"
    name = "?" if not seen else "-" if seen[-1] is None else seen[-1].encode("utf-8", "surrogateescape").hex()
    chosen = connection.selected_alpn_protocol() if state == "goes on" else None
    return name, chosen or "-", state

for line in sys.stdin:
    data, protocol = line.split()
    print(*look(bytes.fromhex(data), protocol), sep="\t", flush=True)
