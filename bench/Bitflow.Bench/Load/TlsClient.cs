using System.Text;

namespace Bitflow.Bench.Load;

/// <summary>
/// How clients speak TLS: version 1.3, one suite and one group, so that every proxy does the same cryptography and none wins by
/// choosing a cheaper one. The server's certificate is always verified: that costs the client, which nobody counts.
/// </summary>
internal sealed unsafe class TlsClient
{
    private readonly nint context;

    public TlsClient(string authority)
    {
        context = OpenSsl.SSL_CTX_new(OpenSsl.TLS_client_method());
        OpenSsl.SSL_CTX_ctrl(context, OpenSsl.SetMinimumVersion, OpenSsl.Tls13, null);
        OpenSsl.SSL_CTX_ctrl(context, OpenSsl.SetReadAhead, 1, null);
        OpenSsl.SSL_CTX_ctrl(context, OpenSsl.SetMode, OpenSsl.PartialWritesFromAnywhere, null);
        fixed (byte* groups = "X25519\0"u8)
            OpenSsl.SSL_CTX_ctrl(context, OpenSsl.SetGroupsList, 0, groups);
        if (OpenSsl.SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") != 1)
            throw new BenchException("OpenSSL does not know TLS_AES_256_GCM_SHA384");
        if (OpenSsl.SSL_CTX_load_verify_locations(context, authority, 0) != 1)
            throw new BenchException($"OpenSSL cannot read {authority}");
        OpenSsl.SSL_CTX_set_verify(context, OpenSsl.VerifyPeer, 0);
    }

    /// <summary>A TLS client over a connected descriptor. A session of 0 asks for a full handshake.</summary>
    public nint Open(int descriptor, string serverName, nint session)
    {
        nint ssl = Create(serverName);
        if (OpenSsl.SSL_set_fd(ssl, descriptor) != 1)
            throw new BenchException("SSL_set_fd failed");
        if (session != 0 && OpenSsl.SSL_set_session(ssl, session) != 1)
            throw new BenchException("SSL_set_session failed");
        return ssl;
    }

    /// <summary>The bytes of a ClientHello for a server name, as this client would send them.</summary>
    public byte[] Hello(string serverName)
    {
        nint ssl = Create(serverName);
        nint written = OpenSsl.BIO_new(OpenSsl.BIO_s_mem());
        OpenSsl.SSL_set_bio(ssl, OpenSsl.BIO_new(OpenSsl.BIO_s_mem()), written);
        _ = OpenSsl.SSL_connect(ssl);
        var bytes = new byte[4096];
        int length;
        fixed (byte* start = bytes)
            length = OpenSsl.BIO_read(written, start, bytes.Length);
        OpenSsl.SSL_free(ssl);
        OpenSsl.ERR_clear_error();
        return length > 0 ? bytes[..length] : throw new BenchException("OpenSSL wrote no ClientHello");
    }

    private nint Create(string serverName)
    {
        nint ssl = OpenSsl.SSL_new(context);
        fixed (byte* name = Encoding.ASCII.GetBytes(serverName + "\0"))
            OpenSsl.SSL_ctrl(ssl, OpenSsl.SetServerName, 0, name);
        return ssl;
    }
}
