using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Bitflow.Domain;
using Microsoft.Win32.SafeHandles;

namespace Bitflow.Net.Tls;

/// <summary>
/// What the connections that show one certificate have in common (`SSL_CTX`), made once a configuration. In the midst of a handshake the library asks
/// through it whoever shakes hands.
/// </summary>
internal sealed unsafe class OpenSslContext : SafeHandleZeroOrMinusOneIsInvalid
{
    /// <summary>Two records at a time: one call for both, and they are still in the nearest caches when they are decrypted.</summary>
    public const int ReadBufferBytes = 2 * (LoopTlsConnection.RecordBytes + 256 + 5);

    /// <summary>What the platform offers on Linux: keys that are never used twice, and no cipher older than AES.</summary>
    private const string OurSuites =
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:"
        + "ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256";

    /// <summary>
    /// What the keys of tickets are made of, as long as the process lives: a ticket is good for every listener that shows the same certificate (TLS-22),
    /// and outlives a reload.
    /// </summary>
    private static readonly byte[] TicketSecret = RandomNumberGenerator.GetBytes(32);

    private static readonly bool MachineHasSuites = LookForSuites();

    /// <summary>The machine's, for handshakes and for the chains that are verified in them: 2 with Debian (112 bits of security), 1 as the library is made.</summary>
    public static int SecurityLevel { get; } = LookForSecurityLevel();

    /// <exception cref="CryptographicException">There is no memory.</exception>
    public OpenSslContext()
        : base(ownsHandle: true)
    {
        SetHandle(OpenSsl.NewContext(OpenSsl.TlsMethod()));
        if (IsInvalid)
            throw Refused("no memory for a context");
    }

    /// <summary>One that shows nothing: a client's.</summary>
    /// <exception cref="CryptographicException">The library refuses; the message says why.</exception>
    public static OpenSslContext ShowingNothing()
    {
        var context = new OpenSslContext();
        if (!MachineHasSuites)
            Demand(OpenSsl.SetSuites(context, OurSuites), "the cipher suites");
        _ = OpenSsl.AddContextOptions(context, OpenSsl.NoRenegotiation | OpenSsl.ServerPreference);
        OpenSsl.AddContextMode(context, OpenSsl.PartialWrite | OpenSsl.MovingWrites | OpenSsl.ReleaseBuffers);
        OpenSsl.ClearContextMode(context, OpenSsl.AutoRetry);
        OpenSsl.ReadAhead(context);
        OpenSsl.SetReadBuffer(context, ReadBufferBytes);
        OpenSsl.CacheForClients(context);
        OpenSsl.SetAlpnSelectCallback(context, &ChooseProtocol, 0);
        OpenSsl.SetCertificateVerifyCallback(context, &Verify, 0);
        OpenSsl.SetNewSessionCallback(context, &KeepSession);

        // For clients that ask for no name; it is none that one could ask for.
        fixed (byte* name = "no name"u8)
            Demand(OpenSsl.SetContextSessionIdContext(context, name, 7), "the name of its sessions");
        return context;
    }

    /// <summary>One that shows a certificate, to clients or to a server that asks.</summary>
    /// <param name="key">The certificate's.</param>
    /// <param name="chain">What is sent with it.</param>
    /// <exception cref="CryptographicException">The library refuses; the message says why.</exception>
    public static OpenSslContext Showing(EncodedCertificate leaf, LibraryKey key, IEnumerable<EncodedCertificate> chain)
    {
        OpenSslContext context = ShowingNothing();
        Demand(OpenSsl.UseCertificate(context, leaf.Encoded.Length, leaf.Encoded.Span), "the certificate");
        Demand(OpenSsl.UseKey(context, key), "the key");
        foreach (EncodedCertificate issuer in chain)
            Demand((int)OpenSsl.AddToChain(context, issuer.Encoded.Span), "a certificate of the chain");
        byte[] tickets = HKDF.DeriveKey(HashAlgorithmName.SHA256, TicketSecret, OpenSsl.TicketKeyBytes, info: SHA256.HashData(leaf.Encoded.Span));
        Demand((int)OpenSsl.SetTicketKeys(context, tickets), "the keys of its tickets");
        CryptographicOperations.ZeroMemory(tickets);
        return context;
    }

    protected override bool ReleaseHandle()
    {
        OpenSsl.FreeContext(handle);
        return true;
    }

    /// <summary>Whether the machine's administrator has chosen the suites (`CipherString` of openssl.cnf): then they stay.</summary>
    private static bool LookForSuites()
    {
        using var context = new OpenSslContext();
        List<nint> before = Suites(context);
        Demand(OpenSsl.SetSuites(context, "DEFAULT"), "its own cipher suites");
        return !before.SequenceEqual(Suites(context));
    }

    private static int LookForSecurityLevel()
    {
        using var context = new OpenSslContext();
        return OpenSsl.GetSecurityLevel(context);
    }

    private static List<nint> Suites(OpenSslContext context)
    {
        nint stack = OpenSsl.Suites(context);
        var suites = new List<nint>();
        for (int i = 0; i < OpenSsl.StackCount(stack); i++)
            suites.Add(OpenSsl.StackItem(stack, i));
        return suites;
    }

    private static void Demand(int answer, string what)
    {
        if (answer != 1)
            throw Refused(what);
    }

    private static CryptographicException Refused(string what) => new($"the TLS library refuses {what}: {OpenSsl.TakeError()}");

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int ChooseProtocol(nint ssl, byte** chosen, byte* chosenBytes, byte* offer, uint offerBytes, nint argument)
    {
        // The rules have chosen among the very same names; what the library gets must outlive the handshake, as its own copy of them does.
        ReadOnlySpan<byte> protocol = RecordLink.Of(ssl).Handshake is { } handshake ? handshake.Protocol : default;
        for (uint at = 0; at < offerBytes; at += 1u + offer[at])
        {
            if (protocol.IsEmpty || !protocol.SequenceEqual(new ReadOnlySpan<byte>(offer + at + 1, (int)Math.Min(offer[at], offerBytes - at - 1))))
                continue;
            *chosen = offer + at + 1;
            *chosenBytes = offer[at];
            return OpenSsl.Chosen;
        }

        return OpenSsl.NoneChosen;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Verify(nint verification, nint argument)
    {
        int error = PeerFlawModule.Error(PeerFlaw.Other);
        if (RecordLink.Of(OpenSsl.OfVerification(verification)).Handshake?.Accepts(OpenSsl.GetLeaf(verification), OpenSsl.GetUntrusted(verification), out error) == true)
            return 1;
        OpenSsl.SetVerifyError(verification, error);
        return 0;
    }

    /// <summary>Asks, of a client's connection, whether its certificate is shown.</summary>
    public static void AskBeforeShowing(nint ssl) => OpenSsl.SetCertificateCallback(ssl, &ShowsCertificate, 0);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int ShowsCertificate(nint ssl, nint argument) => RecordLink.Of(ssl).ShowsCertificate() ? 1 : 0;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int KeepSession(nint ssl, nint session)
    {
        if (RecordLink.Of(ssl).Session is not { } keeper)
            return 0;
        keeper.Keep(session);
        return 1;
    }
}
