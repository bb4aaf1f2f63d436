using System.Net.Security;
using System.Security.Authentication;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;

namespace Bitflow.Net.Tls;

/// <summary>What a handshake came to: a connection, or why there is none.</summary>
/// <param name="Connection">Null where the handshake failed; the raw connection is then the caller's to close.</param>
/// <param name="Terms">What was settled, where there is a connection.</param>
/// <param name="Raw">What the connection beneath said, where that is why: <see cref="IoFault.Truncated"/> for a peer that left.</param>
/// <param name="IsCertificate">Whether the peer's certificate is why.</param>
/// <param name="Detail">In words; empty where it succeeded.</param>
internal readonly record struct TlsOutcome(Connection? Connection, TlsTerms? Terms, IoFault Raw, bool IsCertificate, string Detail)
{
    /// <param name="refusal">Asked afterwards: why the peer's certificate was refused.</param>
    public static async Task<TlsOutcome> OfHandshakeAsync(
        Connection raw, ReadOnlyMemory<byte> early, Func<SslStream, Task> authenticate, Func<string?> refusal)
    {
        LinuxConnection? own = OpenSsl.IsAvailable ? raw as LinuxConnection : null;
        var stream = new ConnectionStream(raw, early, byRecord: own is not null);
        var ssl = new SslStream(stream, leaveInnerStreamOpen: true);
        try
        {
            await authenticate(ssl).ConfigureAwait(false);
            stream.Turn.LeaveRead();
            IoFault fault = stream.WriteFault;
            if (fault == IoFault.None)
            {
                TlsTerms terms = TlsTerms.Of(ssl);
                return new(await ConnectionOfAsync(raw, own, ssl, stream).ConfigureAwait(false), terms, IoFault.None, false, "");
            }

            ssl.Dispose();
            return Failed(fault, isCertificate: false, "the connection broke off");
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
        finally
        {
            stream.EndHandshake();
        }
    }

    /// <summary>Gives up TLS and leaves the connection beneath to whoever has it.</summary>
    public void Forget() => (Connection as ISecuredConnection)?.Forget();

    private static TlsOutcome Failed(IoFault raw, bool isCertificate, string detail) => new(null, null, raw, isCertificate, detail);

    private static async ValueTask<Connection> ConnectionOfAsync(Connection raw, LinuxConnection? own, SslStream ssl, ConnectionStream stream)
    {
        stream.EndHandshake();
        if (own is not null)
        {
            await raw.Loop.SwitchAsync();
            if (LoopTlsConnection.TryTakeOver(own, ssl, stream.Unread) is { } taken)
                return taken;
        }

        if (OpenSsl.TryFind(ssl) is { } handle)
            OpenSsl.AddMode(handle.DangerousGetHandle(), OpenSsl.ReleaseBuffers);
        return new TlsConnection(raw, ssl, stream);
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
