using System.Runtime.InteropServices;

namespace Bitflow.Bench.Load;

/// <summary>The calls of OpenSSL 3 that a TLS client needs, and one memory BIO to take a ClientHello without sending it.</summary>
internal static unsafe partial class OpenSsl
{
    private const string Library = "libssl.so.3";
    private const string Crypto = "libcrypto.so.3";

    public const int WantRead = 2;
    public const int WantWrite = 3;
    public const int ZeroReturn = 6;

    public const int SetMode = 33;
    public const int PartialWritesFromAnywhere = 1 | 2;
    public const int SetGroupsList = 92;
    public const int SetMinimumVersion = 123;
    public const int SetReadAhead = 41;
    public const int SetServerName = 55;
    public const int Tls13 = 0x0304;
    public const int VerifyPeer = 1;

    [LibraryImport(Library)]
    public static partial nint TLS_client_method();

    [LibraryImport(Library)]
    public static partial nint SSL_CTX_new(nint method);

    [LibraryImport(Library)]
    public static partial long SSL_CTX_ctrl(nint context, int command, long argument, void* pointer);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SSL_CTX_set_ciphersuites(nint context, string suites);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SSL_CTX_load_verify_locations(nint context, string file, nint directory);

    [LibraryImport(Library)]
    public static partial void SSL_CTX_set_verify(nint context, int mode, nint callback);

    [LibraryImport(Library)]
    public static partial nint SSL_new(nint context);

    [LibraryImport(Library)]
    public static partial void SSL_free(nint ssl);

    [LibraryImport(Library)]
    public static partial int SSL_set_fd(nint ssl, int descriptor);

    [LibraryImport(Library)]
    public static partial void SSL_set_bio(nint ssl, nint read, nint write);

    [LibraryImport(Library)]
    public static partial long SSL_ctrl(nint ssl, int command, long argument, void* pointer);

    [LibraryImport(Library)]
    public static partial int SSL_connect(nint ssl);

    [LibraryImport(Library)]
    public static partial int SSL_read(nint ssl, byte* buffer, int length);

    [LibraryImport(Library)]
    public static partial int SSL_write(nint ssl, byte* buffer, int length);

    [LibraryImport(Library)]
    public static partial int SSL_shutdown(nint ssl);

    [LibraryImport(Library)]
    public static partial int SSL_get_error(nint ssl, int answer);

    [LibraryImport(Library)]
    public static partial nint SSL_get1_session(nint ssl);

    [LibraryImport(Library)]
    public static partial int SSL_set_session(nint ssl, nint session);

    [LibraryImport(Library)]
    public static partial int SSL_SESSION_is_resumable(nint session);

    [LibraryImport(Library)]
    public static partial void SSL_SESSION_free(nint session);

    [LibraryImport(Library)]
    public static partial int SSL_session_reused(nint ssl);

    [LibraryImport(Crypto)]
    public static partial nint BIO_s_mem();

    [LibraryImport(Crypto)]
    public static partial nint BIO_new(nint method);

    [LibraryImport(Crypto)]
    public static partial int BIO_read(nint bio, byte* buffer, int length);

    [LibraryImport(Crypto)]
    public static partial void ERR_clear_error();
}
