using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Tls;

/// <summary>What a handshake came to: a connection, or why there is none.</summary>
/// <param name="Connection">Null where the handshake failed; the raw connection is then the caller's to close.</param>
/// <param name="Raw">What the connection beneath said, where that is why: <see cref="IoFault.Truncated"/> for a peer that left.</param>
/// <param name="IsCertificate">Whether the peer's certificate is why.</param>
/// <param name="Detail">In words; empty where it succeeded.</param>
internal readonly record struct TlsOutcome(TlsConnection? Connection, IoFault Raw, bool IsCertificate, string Detail)
{
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
            IoFault fault = stream.WriteFault;
            if (fault == IoFault.None)
            {
                IdleBuffers.Release(ssl);
                return new(new TlsConnection(raw, ssl, stream), IoFault.None, false, "");
            }

            ssl.Dispose();
            return new(null, fault, false, "the connection broke off");
        }
        catch (Exception e)
        {
            // A peer's bytes can make SslStream throw nearly anything (TLS-21); it ends this connection alone.
            ssl.Dispose();
            if (refusal() is { } why)
                return new(null, IoFault.None, true, why);
            IoFault fault = stream.ReadFault != IoFault.None ? stream.ReadFault : stream.WriteFault;
            return new(null, fault, false, Words(e));
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
