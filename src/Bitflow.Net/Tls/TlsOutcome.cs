using System.Net.Security;
using System.Security.Authentication;
using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Tls;

/// <summary>What a handshake came to: a connection, or why there is none.</summary>
/// <param name="Connection">Null where the handshake failed; the raw connection is then the caller's to close.</param>
/// <param name="Terms">What was settled, where there is a connection.</param>
/// <param name="Raw">What the connection beneath said, where that is why: <see cref="IoFault.Truncated"/> for a peer that left.</param>
/// <param name="IsCertificate">Whether the peer's certificate is why.</param>
/// <param name="Detail">In words; empty where it succeeded.</param>
internal readonly record struct TlsOutcome(Connection? Connection, TlsTerms? Terms, IoFault Raw, bool IsCertificate, string Detail)
{
    /// <summary>
    /// Whether the session that was offered, or may have been, may be why: it brings the certificate that began it, and not every peer declines one with grace. What
    /// there is without it only a full handshake tells.
    /// </summary>
    public bool IsOfSession { get; init; }

    /// <summary>The subject of the certificate that was refused; null where none was.</summary>
    public string? RefusedSubject { get; init; }

    /// <summary>Shakes hands through SslStream, as every engine can.</summary>
    /// <param name="refusal">Asked afterwards: why the peer's certificate was refused.</param>
    public static async Task<TlsOutcome> OfHandshakeAsync(
        Connection raw, ReadOnlyMemory<byte> early, Func<SslStream, Task> authenticate, Func<string?> refusal)
    {
        var stream = new ConnectionStream(raw, early);
        var ssl = new SslStream(stream, leaveInnerStreamOpen: true);
        try
        {
            await authenticate(ssl).ConfigureAwait(false);
            stream.Turn.LeaveRead();
            if (stream.WriteFault == IoFault.None)
                return new(new TlsConnection(raw, ssl, stream), TlsTerms.Of(ssl), IoFault.None, false, "");
            ssl.Dispose();
            return Failed(stream.WriteFault, isCertificate: false, "the connection broke off");
        }
        catch (Exception e)
        {
            // A peer's bytes can make SslStream throw nearly anything (TLS-21); it ends this connection alone.
            ssl.Dispose();
            if (refusal() is { } why)
                return Failed(IoFault.None, isCertificate: true, why);
            IoFault fault = stream.ReadFault != IoFault.None ? stream.ReadFault : stream.WriteFault;
            return Failed(fault, isCertificate: false, Words(e));
        }
    }

    /// <summary>Gives up TLS and leaves the connection beneath to whoever has it.</summary>
    public void Forget() => (Connection as ISecuredConnection)?.Forget();

    public static TlsOutcome Failed(IoFault raw, bool isCertificate, string detail) => new(null, null, raw, isCertificate, detail);

    /// <summary>A verdict on a peer's certificate, which can make the platform throw nearly anything (TLS-21): that it does is a verdict too.</summary>
    public static PeerRefusal? Judged(Func<PeerRefusal?> refusal)
    {
        try
        {
            return refusal();
        }
        catch (Exception e)
        {
            return new PeerRefusal(Words(e), PeerFlaw.Other);
        }
    }

    /// <summary>The innermost message says most: the library's own error.</summary>
    public static string Words(Exception e)
    {
        while (e.InnerException is { } inner)
            e = inner;
        return e is AuthenticationException or IOException or System.Security.Cryptography.CryptographicException || e.Source == "System.Net.Security"
            ? e.Message
            : $"{e.GetType().Name}: {e.Message}";
    }
}
