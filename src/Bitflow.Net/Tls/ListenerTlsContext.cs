using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Tls;

/// <summary>TLS of one listener: what its files hold and what its settings mean, made once a configuration.</summary>
internal sealed class ListenerTlsContext
{
    private readonly ListenerTls _config;
    private readonly CertificateChain[] _certificates;
    private readonly Authorities _authorities;
    private readonly Func<ShownChain?, PeerRefusal?>? _judge;

    private ListenerTlsContext(ListenerTls config, CertificateChain[] certificates, Authorities authorities)
    {
        _config = config;
        _certificates = certificates;
        _authorities = authorities;
        if (PeerCertificate.IsJudged(config.VerifyMode))
            _judge = shown => Refusal(authorities.Examine(shown, isForName: true));
        Rules = new ListenerTlsRules(config, Array.ConvertAll(certificates, static c => c.Facts.Choice));
    }

    public ListenerTlsRules Rules { get; }

    /// <summary>What its certificates say, in their order.</summary>
    public IEnumerable<CertificateFacts> Certificates => _certificates.Select(static c => c.Facts);

    public static ListenerTlsContext Load(ListenerTls config, TlsLoading loading)
    {
        var certificates = new List<CertificateChain>();
        var authorities = new List<EncodedCertificate>();
        int number = 0;
        foreach (ListenerCertificate entry in config.Certificates)
        {
            string path = loading.Entry(number++);
            if (loading.Chain(entry.Shown, path) is { } chain)
            {
                certificates.Add(chain);
                if (CertificateChecks.Refusal(config.MinVersion, chain.Facts) is { IsSome: true } refusal)
                    loading.Refuse(path + ".certificate", entry.Shown.Certificate, refusal.Value);
                else
                    loading.Warn(path + ".certificate", entry.Shown.Certificate, CertificateChecks.Warnings(loading.Now, loading.SniTargets, chain.Facts));
            }

            loading.Authorities(entry.Authority, path, authorities);
        }

        // Beside each other they are judged where each can be used.
        if (certificates.Count == config.Certificates.Length)
            loading.WarnOfAll(config, certificates);
        return new ListenerTlsContext(config, [.. certificates], Tls.Authorities.OfListener(authorities));
    }

    /// <summary>Shakes hands as the rules have settled it. Never throws: whatever the peer's bytes cause is in the outcome (TLS-21).</summary>
    /// <param name="early">The bytes of the hello, from the first; they are replayed, not read twice.</param>
    /// <param name="name">What the hello asks for. SslStream has no way to tell sessions by it (TLS-23).</param>
    public Task<TlsOutcome> AcceptAsync(Connection raw, ReadOnlyMemory<byte> early, FSharpValueOption<ServerName> name, HelloAnswer.Serve answer)
    {
        CertificateChain certificate = _certificates[answer.certificate];
        return raw is LinuxConnection own && certificate.Library is { } library
            ? LoopHandshake.RunAsync(own, library, Options(name, answer), early)
            : AcceptByPlatformAsync(raw, early, certificate, answer);
    }

    private HandshakeOptions Options(FSharpValueOption<ServerName> name, HelloAnswer.Serve answer) => new()
    {
        IsServer = true,
        ServerName = name.IsSome ? Encoding.ASCII.GetBytes(name.Value.Text) : default,
        MinVersion = _config.MinVersion,
        Protocol = answer.protocol.IsSome ? answer.protocol.Value.Bytes.ToArray() : default,
        Judge = _judge,
        RequiresCertificate = PeerCertificate.IsRequired(_config.VerifyMode),
        Resumes = PeerCertificate.MayResume(_config.VerifyMode),
    };

    private async Task<TlsOutcome> AcceptByPlatformAsync(
        Connection raw, ReadOnlyMemory<byte> early, CertificateChain certificate, HelloAnswer.Serve answer)
    {
        string? refusal = null;
        string? subject = null;
        bool asks = _judge is not null;
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = certificate.Context,
            EnabledSslProtocols = TlsProtocols.From(_config.MinVersion),
            AllowRenegotiation = false,
            ClientCertificateRequired = asks,

            // Listeners that share a certificate accept each other's tickets (TLS-22).
            AllowTlsResume = PeerCertificate.MayResume(_config.VerifyMode),
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            CertificateChainPolicy = asks ? _authorities.NewPolicy() : null,
        };
        if (answer.protocol.IsSome)
            options.ApplicationProtocols = [new SslApplicationProtocol(answer.protocol.Value.Bytes.ToArray())];
        if (asks)
        {
            options.RemoteCertificateValidationCallback = (_, shown, chain, _) =>
            {
                refusal = TlsOutcome.Judged(() => Refusal(_authorities.Examine(shown, chain, isForName: true)))?.Why;
                subject = refusal is not null && shown is X509Certificate2 refused ? CertificateNames.Subject(refused.SubjectName) : null;
                return refusal is null;
            };
        }

        TlsOutcome outcome = await TlsOutcome.OfHandshakeAsync(raw, early, ssl => ssl.AuthenticateAsServerAsync(options), () => refusal).ConfigureAwait(false);
        return outcome with { RefusedSubject = subject };
    }

    /// <summary>Why a client is refused, as <see cref="PeerCertificate"/> has it.</summary>
    private PeerRefusal? Refusal(PeerFinding finding)
    {
        FSharpValueOption<PeerRefusal> verdict = PeerCertificate.ClientRefusal(_config.VerifyMode, finding);
        return verdict.IsSome ? verdict.Value : null;
    }
}
