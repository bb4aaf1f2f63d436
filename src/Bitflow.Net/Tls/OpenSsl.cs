using System.Net.Security;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Bitflow.Net.Tls;

/// <summary>
/// Every call of Bitflow's own to the TLS library that SslStream itself speaks through: OpenSSL 3. Made on the loop of the connection alone; the
/// library bears one thread for each `SSL`.
/// </summary>
internal static unsafe partial class OpenSsl
{
    public const int WantRead = 2;
    public const int WantWrite = 3;
    public const int PeerEnded = 6;

    /// <summary>A write may say that it took one record of several, and may be repeated from another place in memory.</summary>
    public const nint PartialWrite = 1;
    public const nint MovingWrites = 2;

    /// <summary>The record buffers (two of 16 KB) are given back whenever they are empty.</summary>
    public const nint ReleaseBuffers = 0x10;

    /// <summary>A read goes on until it has data, whatever else it had to read for it.</summary>
    public const nint AutoRetry = 0x4;

    /// <summary>Hands are shaken once: who asks again (TLS 1.2) is told no_renegotiation.</summary>
    public const ulong NoRenegotiation = 1ul << 30;

    /// <summary>close_notify was sent, and it was received.</summary>
    public const int BothEnded = 0x1 | 0x2;

    public const int Flush = 11;
    public const int ReadLater = 0x1 | 0x8;
    public const int WriteLater = 0x2 | 0x8;
    public const int AllRetries = 0xf;

    private const string Ssl = "libssl.so.3";
    private const string Crypto = "libcrypto.so.3";
    private const int SetMode = 33;
    private const int UnsetMode = 78;

    private static readonly FieldInfo? Context = typeof(SslStream).GetField("_securityContext", BindingFlags.Instance | BindingFlags.NonPublic);

    /// <summary>Whether the library under these names is the very one that SslStream uses.</summary>
    public static bool IsAvailable { get; } = Look();

    /// <summary>
    /// The `SSL` beneath a stream that has shaken hands, none where it is not what is expected. It is a private field of SslStream's: every use has a
    /// way to go on without.
    /// </summary>
    public static SafeHandle? TryFind(SslStream stream) =>
        IsAvailable && Context!.GetValue(stream) is SafeHandle { IsInvalid: false, IsClosed: false } handle && handle.GetType().Name == "SafeSslHandle"
            ? handle
            : null;

    public static void AddMode(nint ssl, nint mode) => _ = Control(ssl, SetMode, mode, 0);

    public static void ClearMode(nint ssl, nint mode) => _ = Control(ssl, UnsetMode, mode, 0);

    /// <summary>
    /// Forgets what was recorded on this thread: SSL_get_error(3) looks at it. Looking first costs less than clearing the sixteen empty places.
    /// </summary>
    public static void ClearErrors()
    {
        if (PeekError() != 0)
            ClearAll();
    }

    /// <summary>
    /// What the library recorded of the failure just seen, in the words that SslStream has for it: the last record is the TLS part's, those before it are
    /// of the parts beneath. Its record is empty afterwards.
    /// </summary>
    public static string TakeError()
    {
        nuint code = PeekLastError();
        ClearErrors();
        if (code == 0)
            return "the TLS library gave no reason";
        byte* text = stackalloc byte[256];
        ErrorText(code, text, 256);
        return Encoding.ASCII.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));
    }

    [LibraryImport(Ssl, EntryPoint = "SSL_read")]
    public static partial int Read(nint ssl, byte* into, int bytes);

    [LibraryImport(Ssl, EntryPoint = "SSL_peek")]
    public static partial int Peek(nint ssl, byte* into, int bytes);

    [LibraryImport(Ssl, EntryPoint = "SSL_write")]
    public static partial int Write(nint ssl, byte* from, int bytes);

    [LibraryImport(Ssl, EntryPoint = "SSL_shutdown")]
    public static partial int Shutdown(nint ssl);

    /// <summary>Whether a message of the handshake, a late one such as a ticket, is half here or half out; also after a failure.</summary>
    public static bool IsInMessage(nint ssl) => InInit(ssl) != 0;

    [LibraryImport(Ssl, EntryPoint = "SSL_get_error")]
    public static partial int WhyNot(nint ssl, int answer);

    /// <summary>Both directions; what was there before is freed, this belongs to the `SSL`.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_bio")]
    public static partial void SetBio(nint ssl, nint read, nint write);

    [LibraryImport(Ssl, EntryPoint = "SSL_set_options")]
    public static partial ulong AddOptions(nint ssl, ulong options);

    /// <summary>As many bytes are received at once as there is room for, not a record's head first.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_read_ahead")]
    public static partial void SetReadAhead(nint ssl, int yes);

    /// <summary>Whether an end is recorded only, and not sent.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_quiet_shutdown")]
    public static partial void SetQuietShutdown(nint ssl, int yes);

    /// <summary>How much may be received at once, in bytes; matters only when reading ahead.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_default_read_buffer_len")]
    public static partial void SetReadBuffer(nint ssl, nuint bytes);

    /// <summary>Which ends are on record: those in <see cref="BothEnded"/>.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_shutdown")]
    public static partial void SetEnds(nint ssl, int ends);

    /// <summary>One owner more, who frees it as well.</summary>
    /// <returns>1, or 0 where that failed.</returns>
    [LibraryImport(Ssl, EntryPoint = "SSL_up_ref")]
    public static partial int Share(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_free")]
    public static partial void Free(nint ssl);

    [LibraryImport(Crypto, EntryPoint = "BIO_get_new_index")]
    public static partial int NewBioType();

    [LibraryImport(Crypto, EntryPoint = "BIO_meth_new")]
    public static partial nint NewBioMethod(int type, byte* name);

    [LibraryImport(Crypto, EntryPoint = "BIO_meth_set_read")]
    public static partial int SetBioRead(nint method, delegate* unmanaged[Cdecl]<nint, byte*, int, int> read);

    [LibraryImport(Crypto, EntryPoint = "BIO_meth_set_write")]
    public static partial int SetBioWrite(nint method, delegate* unmanaged[Cdecl]<nint, byte*, int, int> write);

    [LibraryImport(Crypto, EntryPoint = "BIO_meth_set_ctrl")]
    public static partial int SetBioControl(nint method, delegate* unmanaged[Cdecl]<nint, int, nint, nint, nint> control);

    [LibraryImport(Crypto, EntryPoint = "BIO_new")]
    public static partial nint NewBio(nint method);

    [LibraryImport(Crypto, EntryPoint = "BIO_set_init")]
    public static partial void SetBioReady(nint bio, int yes);

    [LibraryImport(Crypto, EntryPoint = "BIO_set_data")]
    public static partial void SetBioData(nint bio, nint data);

    [LibraryImport(Crypto, EntryPoint = "BIO_get_data")]
    public static partial nint BioData(nint bio);

    [LibraryImport(Crypto, EntryPoint = "BIO_set_flags")]
    public static partial void SetBioFlags(nint bio, int flags);

    [LibraryImport(Crypto, EntryPoint = "BIO_clear_flags")]
    public static partial void ClearBioFlags(nint bio, int flags);

    [LibraryImport(Ssl, EntryPoint = "SSL_in_init")]
    private static partial int InInit(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_ctrl")]
    private static partial nint Control(nint ssl, int command, nint argument, nint pointer);

    [LibraryImport(Crypto, EntryPoint = "ERR_clear_error")]
    private static partial void ClearAll();

    [LibraryImport(Crypto, EntryPoint = "ERR_peek_error")]
    private static partial nuint PeekError();

    [LibraryImport(Crypto, EntryPoint = "ERR_peek_last_error")]
    private static partial nuint PeekLastError();

    [LibraryImport(Crypto, EntryPoint = "ERR_error_string_n")]
    private static partial void ErrorText(nuint code, byte* into, nuint bytes);

    [LibraryImport(Crypto, EntryPoint = "OpenSSL_version_num")]
    private static partial nuint Version();

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool Look()
    {
        try
        {
            return OperatingSystem.IsLinux()
                && Context is not null
                && NativeLibrary.TryLoad(Ssl, out _)
                && Version() == (nuint)SafeEvpPKeyHandle.OpenSslVersion;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or PlatformNotSupportedException)
        {
            return false;
        }
    }
}
