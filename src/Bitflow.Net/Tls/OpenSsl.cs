using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Bitflow.Domain;

namespace Bitflow.Net.Tls;

/// <summary>
/// Every call of Bitflow's own to the TLS library: OpenSSL 3, which SslStream speaks through too. An `SSL` bears one thread: it is used on the loop of its
/// connection alone.
/// </summary>
internal static unsafe partial class OpenSsl
{
    public const int WantRead = 2;
    public const int WantWrite = 3;
    public const int ZeroReturn = 6;

    /// <summary>A write may say that it took one record of several, and may be repeated from another place in memory.</summary>
    public const nint PartialWrite = 1;
    public const nint MovingWrites = 2;

    /// <summary>The record buffers (two of 16 KB) are given back whenever they are empty.</summary>
    public const nint ReleaseBuffers = 0x10;

    /// <summary>A read goes on until it has data, whatever else it had to read for it.</summary>
    public const nint AutoRetry = 0x4;

    /// <summary>No tickets are given, and none are taken.</summary>
    public const ulong NoTicket = 1ul << 14;

    /// <summary>The server's order of cipher suites decides.</summary>
    public const ulong ServerPreference = 1ul << 22;

    /// <summary>Hands are shaken once: who asks again (TLS 1.2) is told no_renegotiation.</summary>
    public const ulong NoRenegotiation = 1ul << 30;

    /// <summary>A server sends a ticket; in TLS 1.2 more follows in the same flight.</summary>
    public const int SendingTicket = 33;

    /// <summary>Versions on the wire (RFC 8446 section 4.1.2).</summary>
    public const int Tls12 = 0x0303;
    public const int Tls13 = 0x0304;

    /// <summary>The peer is asked for a certificate; a client that shows none is refused where it must.</summary>
    public const int VerifyPeer = 0x1;
    public const int FailIfNoPeerCertificate = 0x2;

    /// <summary>An answer to ALPN: this one; none.</summary>
    public const int Chosen = 0;
    public const int NoneChosen = 3;

    /// <summary>A chain may end at any authority, not only at one that issued itself (X509_V_FLAG_PARTIAL_CHAIN).</summary>
    public const nuint PartialChain = 0x80000;

    /// <summary>A verification that failed and does not say why (X509_V_ERR_UNSPECIFIED).</summary>
    public const int UnspecifiedError = 1;

    /// <summary>An extension of a certificate that cannot be read (X509_V_ERR_INVALID_EXTENSION; EXFLAG_INVALID).</summary>
    public const int InvalidExtension = 41;
    public const uint ExtensionsInvalid = 0x80;

    /// <summary>What a certificate's extended key usage allows (XKU_SSL_SERVER, XKU_SSL_CLIENT, XKU_ANYEKU); all of it where it has none.</summary>
    public const uint ServerUse = 0x1;
    public const uint ClientUse = 0x2;
    public const uint AnyUse = 0x100;

    /// <summary>close_notify was sent, and it was received.</summary>
    public const int BothShutdown = 0x1 | 0x2;

    public const int ReadLater = 0x1 | 0x8;
    public const int WriteLater = 0x2 | 0x8;
    public const int AllRetries = 0xf;

    private const string Ssl = "libssl.so.3";
    private const string Crypto = "libcrypto.so.3";
    private const int CtrlMode = 33;
    private const int CtrlClearMode = 78;
    private const int CtrlReadAhead = 41;
    private const int CtrlSessionCacheMode = 44;
    private const int CtrlHostName = 55;
    private const int CtrlTicketKeys = 59;
    private const int CtrlChainCertificate = 89;
    private const int CtrlMinVersion = 123;

    /// <summary>Cached for clients alone, and only in the hands of who hears of them.</summary>
    private const int ClientsCache = 0x1 | 0x300;

    /// <summary>The most that a session remembers of where it belongs (SSL_MAX_SID_CTX_LENGTH).</summary>
    private const int SessionContextBytes = 32;

    /// <summary>A signature that is of another kind than the key (ASN1_R_WRONG_PUBLIC_KEY_TYPE).</summary>
    private const int WrongKeyType = 200;

    /// <summary>A peer without a certificate where one is a must (SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE).</summary>
    private const int NoCertificate = 199;
    private const int ReasonMask = 0x7fffff;
    private const int FirstAlert = 1000;

    /// <summary>At the end of the program other threads may still be at work: nothing is torn down (OPENSSL_INIT_NO_ATEXIT).</summary>
    private const ulong NoExitHandler = 0x80000;

    /// <summary>Whether the library is there.</summary>
    public static bool IsAvailable { get; } = Look();

    /// <summary>Bytes of the keys that tickets are sealed with: a name of 16, and two keys of 32.</summary>
    public static int TicketKeyBytes => 80;

    public static void AddContextMode(OpenSslContext context, nint mode) => _ = ContextControl(context, CtrlMode, mode, null);

    public static void ClearContextMode(OpenSslContext context, nint mode) => _ = ContextControl(context, CtrlClearMode, mode, null);

    /// <summary>As many bytes are received at once as there is room for, not a record's head first.</summary>
    public static void ReadAhead(OpenSslContext context) => _ = ContextControl(context, CtrlReadAhead, 1, null);

    public static void CacheForClients(OpenSslContext context) => _ = ContextControl(context, CtrlSessionCacheMode, ClientsCache, null);

    /// <returns>1, or 0 where that failed.</returns>
    public static nint SetTicketKeys(OpenSslContext context, ReadOnlySpan<byte> keys)
    {
        fixed (byte* bytes = keys)
            return ContextControl(context, CtrlTicketKeys, keys.Length, bytes);
    }

    /// <summary>One more certificate of the chain, in DER.</summary>
    /// <returns>1, or 0 where that failed.</returns>
    public static nint AddToChain(OpenSslContext context, ReadOnlySpan<byte> certificate)
    {
        nint read = ReadCertificate(certificate);
        if (read == 0)
            return 0;
        nint answer = ContextControl(context, CtrlChainCertificate, 1, (void*)read);
        FreeCertificate(read);
        return answer;
    }

    /// <summary>Whether it is a whole certificate, in DER.</summary>
    public static bool IsCertificate(ReadOnlySpan<byte> encoded)
    {
        nint read = ReadCertificate(encoded);
        FreeCertificate(read);
        return read != 0;
    }

    /// <summary>Whether a key belongs to a certificate, in DER.</summary>
    public static bool IsKeyOf(ReadOnlySpan<byte> certificate, LibraryKey key)
    {
        nint read = ReadCertificate(certificate);
        bool isIts = read != 0 && CheckKey(read, key) == 1;
        FreeCertificate(read);
        return isIts;
    }

    /// <summary>Whether the key that a certificate, in DER, is for can be made out.</summary>
    public static bool HasReadableKey(ReadOnlySpan<byte> certificate)
    {
        nint read = ReadCertificate(certificate);
        bool has = read != 0 && KeyOf(read) != 0;
        FreeCertificate(read);
        ClearErrors();
        return has;
    }

    /// <summary>Whether a private key goes with its public half (of RSA keys the library would also look whether their factors are primes, which takes 40 ms and more).</summary>
    public static bool IsPair(LibraryKey key)
    {
        nint check = NewKeyCheck(key, 0);
        bool isPair = check != 0 && CheckPair(check) == 1;
        FreeKeyCheck(check);
        ClearErrors();
        return isPair;
    }

    /// <summary>Whether a certificate's issuer has the other's name, in whatever letters and kind of text (RFC 5280 section 7.1).</summary>
    public static bool IsNamedIssuer(nint issuer, nint certificate) => CompareNames(SubjectOf(issuer), IssuerOf(certificate)) == 0;

    /// <summary>Whether a certificate was signed with the other's key.</summary>
    public static Signed HasSigned(nint issuer, nint certificate)
    {
        // Less than 0 is said of what the library does not know, and of what cannot be (X509_verify(3)).
        nint key = KeyOf(issuer);
        int answer = key == 0 ? -1 : VerifySignature(certificate, key);
        bool cannotBe = key != 0 && answer < 0 && ((int)PeekLastError() & ReasonMask) == WrongKeyType;
        ClearErrors();
        return answer == 1 ? Signed.Yes : answer == 0 || cannotBe ? Signed.No : Signed.Unknown;
    }

    /// <summary>From DER; to be freed. 0 where that failed.</summary>
    public static nint ReadCertificate(ReadOnlySpan<byte> encoded)
    {
        fixed (byte* bytes = encoded)
        {
            byte* from = bytes;
            return ReadCertificate(0, &from, encoded.Length);
        }
    }

    /// <summary>A private key in its algorithm's own form.</summary>
    public static byte[] Encode(LibraryKey key)
    {
        byte[] encoded = Encode(key.DangerousGetHandle(), &WriteKey);
        GC.KeepAlive(key);
        return encoded;
    }

    /// <summary>One more authority, in DER.</summary>
    /// <returns>1, or 0 where that failed.</returns>
    public static int AddToStore(TrustStore store, ReadOnlySpan<byte> certificate)
    {
        nint read = ReadCertificate(certificate);
        if (read == 0)
            return 0;
        int answer = AddToStore(store, read);
        FreeCertificate(read);
        return answer;
    }

    /// <returns>1, or 0 where that failed.</returns>
    public static nint SetMinVersion(nint ssl, int version) => Control(ssl, CtrlMinVersion, version, null);

    /// <summary>The server name to ask for, without a zero at its end.</summary>
    public static nint SetHostName(nint ssl, ReadOnlySpan<byte> name)
    {
        Span<byte> text = stackalloc byte[name.Length + 1];
        name.CopyTo(text);
        text[^1] = 0;
        fixed (byte* bytes = text)
            return Control(ssl, CtrlHostName, 0, bytes);
    }

    /// <summary>Has a server resume sessions that began under the same words, and no others.</summary>
    /// <returns>1, or 0 where that failed.</returns>
    public static int SetSessionIdContext(nint ssl, ReadOnlySpan<byte> words) =>
        words.Length <= SessionContextBytes
            ? SetSessionContext(ssl, words, (uint)words.Length)
            : SetSessionContext(ssl, SHA256.HashData(words), SessionContextBytes);

    /// <summary>The cipher suite agreed on, by its number (RFC 8446, appendix B.4); 0 for none.</summary>
    public static ushort CipherSuite(nint ssl) => CurrentCipher(ssl) is var cipher && cipher == 0 ? (ushort)0 : CipherNumber(cipher);

    /// <summary>The protocol agreed on (RFC 7301); empty for none.</summary>
    public static ReadOnlySpan<byte> Protocol(nint ssl)
    {
        byte* name;
        uint bytes;
        SelectedProtocol(ssl, &name, &bytes);
        return new ReadOnlySpan<byte>(name, (int)bytes);
    }

    /// <summary>The `SSL` that a chain is being verified for.</summary>
    public static nint OfVerification(nint verification) => VerificationData(verification, VerificationIndex());

    /// <summary>How many are in a stack (of certificates, of cipher suites); none in a null one.</summary>
    public static int StackCount(nint stack) => stack == 0 ? 0 : Count(stack);

    /// <summary>A certificate in DER.</summary>
    public static byte[] Encode(nint certificate) => Encode(certificate, &WriteCertificate);

    /// <summary>The subject of a certificate in DER.</summary>
    public static byte[] EncodeSubject(nint certificate) => Encode(SubjectOf(certificate), &WriteName);

    private static byte[] Encode(nint what, delegate*<nint, byte**, int> write)
    {
        int bytes = write(what, null);
        byte[] encoded = new byte[Math.Max(bytes, 0)];
        fixed (byte* into = encoded)
        {
            byte* at = into;
            if (bytes > 0)
                _ = write(what, &at);
        }

        return encoded;
    }

    /// <summary>Where the machine's authorities are, unless its environment says otherwise: all in one file, and each in one of its own.</summary>
    public static string DefaultAuthorityFile => Marshal.PtrToStringUTF8(AuthorityFile()) ?? "";

    public static string DefaultAuthorityFolder => Marshal.PtrToStringUTF8(AuthorityFolder()) ?? "";

    /// <summary>A fault of a chain, in the library's words.</summary>
    public static string VerificationWords(int error) => Marshal.PtrToStringAnsi(ErrorWords(error)) ?? "";

    /// <summary>Whether hands were shaken for a session that had been before.</summary>
    public static bool IsResumed(nint ssl) => SessionReused(ssl) == 1;

    /// <summary>Has somebody look at what the peer showed when its session began: its own certificate, and all that it sent.</summary>
    public static void ShowPeer(nint ssl, Action<nint, nint> look)
    {
        nint certificate = PeerCertificate(ssl);
        if (certificate == 0)
            return;
        look(certificate, PeerChain(ssl));
        FreeCertificate(certificate);
    }

    /// <summary>Whether the certificate that the peer showed when the session began has expired since.</summary>
    public static bool HasExpired(nint session) => PeerOf(session) is var certificate && certificate != 0 && CompareWithNow(NotAfter(certificate)) < 0;

    /// <summary>Whether the failure just recorded is that the peer had to show a certificate, and did not.</summary>
    public static bool IsWantOfCertificate() => ((int)PeekLastError() & ReasonMask) == NoCertificate;

    /// <summary>
    /// Forgets what was recorded on this thread: SSL_get_error(3) looks at it. Looking first costs less than clearing the sixteen empty places.
    /// </summary>
    public static void ClearErrors()
    {
        if (PeekError() != 0)
            ClearAll();
    }

    /// <summary>
    /// What the library recorded of the failure just seen, in its words: the last record is the TLS part's, those before it are
    /// of the parts beneath. Its record is empty afterwards. For an alert that it knows no words for it has a number alone, from
    /// 1,000 on (SSL_AD_REASON_OFFSET).
    /// </summary>
    public static string TakeError()
    {
        nuint code = PeekLastError();
        ClearErrors();
        if (code == 0)
            return "the TLS library gave no reason";
        byte* text = stackalloc byte[256];
        ErrorText(code, text, 256);
        string words = Encoding.ASCII.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));
        int reason = (int)code & ReasonMask;
        return reason >= FirstAlert ? words.Replace($"reason({reason})", $"an alert of number {reason - FirstAlert}", StringComparison.Ordinal) : words;
    }

    /// <summary>For either side: which, each connection says.</summary>
    [LibraryImport(Ssl, EntryPoint = "TLS_method")]
    public static partial nint TlsMethod();

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_new")]
    public static partial nint NewContext(nint method);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_free")]
    public static partial void FreeContext(nint context);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_set_options")]
    public static partial ulong AddContextOptions(OpenSslContext context, ulong options);

    /// <summary>How much may be received at once, in bytes; matters only when reading ahead.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_set_default_read_buffer_len")]
    public static partial void SetReadBuffer(OpenSslContext context, nuint bytes);

    /// <summary>The suites of TLS 1.2 and their order.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_set_cipher_list", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetSuites(OpenSslContext context, string suites);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_get_ciphers")]
    public static partial nint Suites(OpenSslContext context);

    /// <summary>Which sessions belong together: a server that asks for certificates must say.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_set_session_id_context")]
    public static partial int SetContextSessionIdContext(OpenSslContext context, byte* name, uint bytes);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_use_certificate_ASN1")]
    public static partial int UseCertificate(OpenSslContext context, int bytes, ReadOnlySpan<byte> encoded);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_use_PrivateKey")]
    public static partial int UseKey(OpenSslContext context, LibraryKey key);

    /// <summary>What is to be read from a piece of memory, which stays where it is for as long.</summary>
    [LibraryImport(Crypto, EntryPoint = "BIO_new_mem_buf")]
    public static partial nint NewMemoryBio(byte* from, int bytes);

    [LibraryImport(Crypto, EntryPoint = "BIO_free")]
    public static partial int FreeBio(nint bio);

    /// <param name="bio">Where the text is.</param>
    /// <param name="into">0: a key of its own; to be freed.</param>
    /// <param name="passphrase">Asked for one where the key is encrypted.</param>
    /// <param name="argument">Is given to it.</param>
    /// <returns>0 where that failed.</returns>
    [LibraryImport(Crypto, EntryPoint = "PEM_read_bio_PrivateKey")]
    public static partial nint ReadKey(nint bio, nint into, delegate* unmanaged[Cdecl]<byte*, int, int, nint, int> passphrase, nint argument);

    [LibraryImport(Crypto, EntryPoint = "EVP_PKEY_free")]
    public static partial void FreeKey(nint key);

    [LibraryImport(Crypto, EntryPoint = "X509_free")]
    public static partial void FreeCertificate(nint certificate);

    /// <summary>The algorithm's number (EVP_PKEY_RSA, EVP_PKEY_EC).</summary>
    [LibraryImport(Crypto, EntryPoint = "EVP_PKEY_get_base_id")]
    public static partial int KindOf(LibraryKey key);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_set_alpn_select_cb")]
    public static partial void SetAlpnSelectCallback(
        OpenSslContext context, delegate* unmanaged[Cdecl]<nint, byte**, byte*, byte*, uint, nint, int> select, nint argument);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_set_cert_verify_callback")]
    public static partial void SetCertificateVerifyCallback(OpenSslContext context, delegate* unmanaged[Cdecl]<nint, nint, int> verify, nint argument);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_sess_set_new_cb")]
    public static partial void SetNewSessionCallback(OpenSslContext context, delegate* unmanaged[Cdecl]<nint, nint, int> keep);

    [LibraryImport(Ssl, EntryPoint = "SSL_new")]
    public static partial nint New(OpenSslContext context);

    [LibraryImport(Ssl, EntryPoint = "SSL_set_accept_state")]
    public static partial void SetAcceptState(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_set_connect_state")]
    public static partial void SetConnectState(nint ssl);

    /// <summary>Whether a client can be asked for its certificate later (RFC 8446 section 4.6.2).</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_post_handshake_auth")]
    public static partial void SetPostHandshakeAuth(nint ssl, int yes);

    /// <param name="ssl">A connection.</param>
    /// <param name="shows">Answers 1 where the certificate is shown, 0 where the connection is given up.</param>
    /// <param name="argument">Is given to it.</param>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_cert_cb")]
    public static partial void SetCertificateCallback(nint ssl, delegate* unmanaged[Cdecl]<nint, nint, int> shows, nint argument);

    [LibraryImport(Ssl, EntryPoint = "SSL_do_handshake")]
    public static partial int DoHandshake(nint ssl);

    /// <summary>The message of the handshake at hand (OSSL_HANDSHAKE_STATE).</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_get_state")]
    public static partial int GetState(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_set_verify")]
    public static partial void SetVerify(nint ssl, int mode, nint callback);

    /// <summary>How many tickets follow a full handshake of TLS 1.3.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_num_tickets")]
    public static partial int SetTicketCount(nint ssl, nuint count);

    /// <summary>What a client offers, each with its length in front (RFC 7301 section 3.1).</summary>
    /// <returns>0, or else it failed.</returns>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_alpn_protos")]
    public static partial int SetAlpnProtocols(nint ssl, ReadOnlySpan<byte> protocols, uint bytes);

    /// <summary>The session to resume, if the server will; it gains an owner.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_session")]
    public static partial int SetSession(nint ssl, nint session);

    /// <summary>What the peer showed when the session began; 0 where it showed nothing. It stays the session's.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_SESSION_get0_peer")]
    private static partial nint PeerOf(nint session);

    [LibraryImport(Crypto, EntryPoint = "X509_get0_notAfter")]
    private static partial nint NotAfter(nint certificate);

    /// <returns>-1 for a time that is over, 1 for one to come, 0 for one that cannot be read.</returns>
    [LibraryImport(Crypto, EntryPoint = "X509_cmp_current_time")]
    private static partial int CompareWithNow(nint time);

    [LibraryImport(Ssl, EntryPoint = "SSL_SESSION_free")]
    public static partial void FreeSession(nint session);

    [LibraryImport(Ssl, EntryPoint = "SSL_version")]
    public static partial int GetVersion(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_get_rbio")]
    public static partial nint GetReadBio(nint ssl);

    /// <summary>The peer's own certificate, of a chain that is being verified.</summary>
    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_get0_cert")]
    public static partial nint GetLeaf(nint verification);

    /// <summary>What the peer sent, of a chain that is being verified.</summary>
    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_get0_untrusted")]
    public static partial nint GetUntrusted(nint verification);

    [LibraryImport(Crypto, EntryPoint = "X509_STORE_new")]
    public static partial nint NewStore();

    [LibraryImport(Crypto, EntryPoint = "X509_STORE_free")]
    public static partial void FreeStore(nint store);

    [LibraryImport(Crypto, EntryPoint = "X509_STORE_set_flags")]
    public static partial int SetStoreFlags(TrustStore store, nuint flags);

    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_new")]
    public static partial nint NewVerification();

    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_free")]
    public static partial void FreeVerification(nint verification);

    /// <summary>The store must outlive it.</summary>
    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_init")]
    public static partial int BeginVerification(nint verification, TrustStore store, nint leaf, nint sent);

    /// <param name="verification">Of a chain.</param>
    /// <param name="index">0 is whoever's began it.</param>
    /// <param name="data">To be asked for in its callbacks.</param>
    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_set_ex_data")]
    public static partial int SetVerificationData(nint verification, int index, void* data);

    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_get_ex_data")]
    public static partial nint VerificationData(nint verification, int index);

    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_set_verify_cb")]
    public static partial void SetVerificationCallback(nint verification, delegate* unmanaged[Cdecl]<int, nint, int> note);

    [LibraryImport(Crypto, EntryPoint = "X509_verify_cert")]
    public static partial int Verify(nint verification);

    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_get_error")]
    public static partial int VerificationError(nint verification);

    /// <summary>Of which certificate of the chain the error is, from 0 for the peer's own.</summary>
    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_get_error_depth")]
    public static partial int VerificationDepth(nint verification);

    /// <summary>They stay the verification's.</summary>
    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_get0_param")]
    public static partial nint VerificationParameters(nint verification);

    /// <summary>How weak the keys and digests of a chain may be (SSL_CTX_set_security_level(3)).</summary>
    [LibraryImport(Crypto, EntryPoint = "X509_VERIFY_PARAM_set_auth_level")]
    public static partial void SetSecurityLevel(nint parameters, int level);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_get_security_level")]
    public static partial int GetSecurityLevel(OpenSslContext context);

    [LibraryImport(Crypto, EntryPoint = "X509_get_extension_flags")]
    public static partial uint ExtensionFlags(nint certificate);

    /// <summary>From the peer's own certificate to the last issuer that was found.</summary>
    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_get0_chain")]
    public static partial nint VerifiedChain(nint verification);

    /// <summary>Some of <see cref="ServerUse"/>, <see cref="ClientUse"/> and <see cref="AnyUse"/>, and others.</summary>
    [LibraryImport(Crypto, EntryPoint = "X509_get_extended_key_usage")]
    public static partial uint ExtendedUse(nint certificate);

    [LibraryImport(Crypto, EntryPoint = "X509_STORE_CTX_set_error")]
    public static partial void SetVerifyError(nint verification, int error);

    [LibraryImport(Crypto, EntryPoint = "OPENSSL_sk_value")]
    public static partial nint StackItem(nint stack, int index);

    [LibraryImport(Ssl, EntryPoint = "SSL_read")]
    public static partial int Read(nint ssl, byte* into, int bytes);

    /// <summary>1 where the library holds bytes that it has received and not read yet, were it half a record.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_has_pending")]
    public static partial int HasPending(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_peek")]
    public static partial int Peek(nint ssl, byte* into, int bytes);

    [LibraryImport(Ssl, EntryPoint = "SSL_write")]
    public static partial int Write(nint ssl, byte* from, int bytes);

    [LibraryImport(Ssl, EntryPoint = "SSL_shutdown")]
    public static partial int Shutdown(nint ssl);

    /// <summary>Whether a message of the handshake, a late one such as a ticket, is half here or half out; also after a failure.</summary>
    public static bool IsInInit(nint ssl) => InInit(ssl) != 0;

    [LibraryImport(Ssl, EntryPoint = "SSL_get_error")]
    public static partial int GetError(nint ssl, int answer);

    /// <summary>Both directions; what was there before is freed, this belongs to the `SSL`.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_bio")]
    public static partial void SetBio(nint ssl, nint read, nint write);

    [LibraryImport(Ssl, EntryPoint = "SSL_set_options")]
    public static partial ulong AddOptions(nint ssl, ulong options);

    /// <summary>Whether an end is recorded only, and not sent.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_quiet_shutdown")]
    public static partial void SetQuietShutdown(nint ssl, int yes);

    /// <summary>Which ends are on record: those in <see cref="BothShutdown"/>.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_set_shutdown")]
    public static partial void SetShutdown(nint ssl, int ends);

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
    public static partial int SetBioControl(nint method, nint control);

    [LibraryImport(Crypto, EntryPoint = "BIO_meth_get_ctrl")]
    public static partial nint ControlOf(nint method);

    /// <summary>Of a connection that takes everything and gives nothing (BIO_s_null(3)).</summary>
    [LibraryImport(Crypto, EntryPoint = "BIO_s_null")]
    public static partial nint NullBioMethod();

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

    [LibraryImport(Ssl, EntryPoint = "SSL_set_session_id_context")]
    private static partial int SetSessionContext(nint ssl, ReadOnlySpan<byte> words, uint bytes);

    [LibraryImport(Ssl, EntryPoint = "SSL_in_init")]
    private static partial int InInit(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_ctrl")]
    private static partial nint Control(nint ssl, int command, nint argument, void* pointer);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_ctrl")]
    private static partial nint ContextControl(OpenSslContext context, int command, nint argument, void* pointer);

    [LibraryImport(Ssl, EntryPoint = "SSL_get_current_cipher")]
    private static partial nint CurrentCipher(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_CIPHER_get_protocol_id")]
    private static partial ushort CipherNumber(nint cipher);

    [LibraryImport(Ssl, EntryPoint = "SSL_get0_alpn_selected")]
    private static partial void SelectedProtocol(nint ssl, byte** name, uint* bytes);

    [LibraryImport(Ssl, EntryPoint = "SSL_get_ex_data_X509_STORE_CTX_idx")]
    private static partial int VerificationIndex();

    [LibraryImport(Crypto, EntryPoint = "X509_get_default_cert_file")]
    private static partial nint AuthorityFile();

    [LibraryImport(Crypto, EntryPoint = "X509_get_default_cert_dir")]
    private static partial nint AuthorityFolder();

    [LibraryImport(Crypto, EntryPoint = "X509_verify_cert_error_string")]
    private static partial nint ErrorWords(int error);

    [LibraryImport(Crypto, EntryPoint = "X509_STORE_add_cert")]
    private static partial int AddToStore(TrustStore store, nint certificate);

    [LibraryImport(Ssl, EntryPoint = "SSL_session_reused")]
    private static partial int SessionReused(nint ssl);

    /// <summary>To be freed.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_get1_peer_certificate")]
    private static partial nint PeerCertificate(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_get_peer_cert_chain")]
    private static partial nint PeerChain(nint ssl);

    [LibraryImport(Crypto, EntryPoint = "OPENSSL_sk_num")]
    private static partial int Count(nint stack);

    [LibraryImport(Crypto, EntryPoint = "d2i_X509")]
    private static partial nint ReadCertificate(nint into, byte** from, nint bytes);

    [LibraryImport(Crypto, EntryPoint = "i2d_X509")]
    private static partial int WriteCertificate(nint certificate, byte** into);

    [LibraryImport(Crypto, EntryPoint = "X509_check_private_key")]
    private static partial int CheckKey(nint certificate, LibraryKey key);

    [LibraryImport(Crypto, EntryPoint = "i2d_PrivateKey")]
    private static partial int WriteKey(nint key, byte** into);

    [LibraryImport(Crypto, EntryPoint = "i2d_X509_NAME")]
    private static partial int WriteName(nint name, byte** into);

    /// <summary>It stays the certificate's.</summary>
    [LibraryImport(Crypto, EntryPoint = "X509_get_subject_name")]
    private static partial nint SubjectOf(nint certificate);

    /// <summary>It stays the certificate's.</summary>
    [LibraryImport(Crypto, EntryPoint = "X509_get_issuer_name")]
    private static partial nint IssuerOf(nint certificate);

    /// <returns>0: they are the same.</returns>
    [LibraryImport(Crypto, EntryPoint = "X509_NAME_cmp")]
    private static partial int CompareNames(nint one, nint other);

    /// <summary>It stays the certificate's. 0 where it cannot be made out.</summary>
    [LibraryImport(Crypto, EntryPoint = "X509_get0_pubkey")]
    private static partial nint KeyOf(nint certificate);

    [LibraryImport(Crypto, EntryPoint = "X509_verify")]
    private static partial int VerifySignature(nint certificate, nint key);

    [LibraryImport(Crypto, EntryPoint = "EVP_PKEY_CTX_new")]
    private static partial nint NewKeyCheck(LibraryKey key, nint engine);

    [LibraryImport(Crypto, EntryPoint = "EVP_PKEY_CTX_free")]
    private static partial void FreeKeyCheck(nint check);

    [LibraryImport(Crypto, EntryPoint = "EVP_PKEY_pairwise_check")]
    private static partial int CheckPair(nint check);

    [LibraryImport(Ssl, EntryPoint = "OPENSSL_init_ssl")]
    private static partial int Begin(ulong options, nint settings);

    [LibraryImport(Crypto, EntryPoint = "ERR_clear_error")]
    private static partial void ClearAll();

    [LibraryImport(Crypto, EntryPoint = "ERR_peek_error")]
    private static partial nuint PeekError();

    [LibraryImport(Crypto, EntryPoint = "ERR_peek_last_error")]
    private static partial nuint PeekLastError();

    [LibraryImport(Crypto, EntryPoint = "ERR_error_string_n")]
    private static partial void ErrorText(nuint code, byte* into, nuint bytes);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool Look()
    {
        try
        {
            return OperatingSystem.IsLinux() && Begin(NoExitHandler, 0) == 1;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }
}
