using System.Collections.Concurrent;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Tls;

/// <summary>TLS towards one target: what its files hold and what its settings mean, made once a configuration.</summary>
internal sealed class TargetTlsContext
{
    private readonly TargetTls _config;
    private readonly string _name;
    private readonly CertificateChain? _shown;
    private readonly Authorities _authorities;
    private readonly List<SslApplicationProtocol>? _protocols;
    private readonly OpenSslContext? _library;
    private readonly ResumableSession _session = new();
    private readonly HandshakeOptions _options;
    private readonly HandshakeOptions _optionsAnew;

    /// <summary>
    /// Whether SslStream may resume. It keeps the session of a handshake of TLS 1.2 whose certificate was refused, and resumes it ever after: under that server name
    /// the certificate of long ago would be refused whatever the target shows, or another target that takes the same tickets.
    /// </summary>
    private volatile bool _platformResumes = true;

    /// <summary>
    /// Names under which SslStream, which keeps sessions for the whole process, may have one: hands were shaken, or a certificate was refused. They are those of
    /// configurations, and no more.
    /// </summary>
    private static readonly ConcurrentDictionary<string, bool> Met = new(StringComparer.Ordinal);

    private TargetTlsContext(TargetTls config, string name, CertificateChain? shown, Authorities authorities)
    {
        _config = config;
        _name = name;
        _shown = shown;
        _library = shown is not null ? shown.Library : OpenSsl.IsAvailable ? OpenSslContext.ShowingNothing() : null;
        _authorities = authorities;
        _protocols = config.ApplicationProtocols.IsEmpty ? null : [.. config.ApplicationProtocols.Select(static p => new SslApplicationProtocol(p.Bytes.ToArray()))];
        _options = Options(resumes: true);
        _optionsAnew = Options(resumes: false);
    }

    public static TargetTlsContext Load(TargetConfig target, TargetTls config, TlsLoading loading)
    {
        CertificateChain? shown = null;
        var authorities = new List<EncodedCertificate>();
        int number = 0;
        foreach (TargetCertificate entry in config.Certificates)
        {
            string path = loading.Entry(number++);
            if (entry.Shown is { Value: { } files } && loading.Chain(files, path) is { } chain)
            {
                if (ReferenceEquals(files, config.Shown.Value))
                    shown = chain;
                loading.Warn(path + ".certificate", files.Certificate, CertificateChecks.ClientWarnings(loading.Now, chain.Facts));
            }

            loading.Authorities(entry.Authority, path, authorities);
        }

        return new TargetTlsContext(config, TargetName.Of(target, config), shown, Tls.Authorities.OfTarget(authorities));
    }

    /// <summary>What the certificate says that it is shown where it asks for one; null where there is none.</summary>
    public CertificateFacts? Shown => _shown?.Facts;

    /// <summary>Whether the target's certificate is judged.</summary>
    public bool Judges => _options.Judge is not null;

    /// <summary>The lowest version that is spoken.</summary>
    public TlsVersion Least => _config.MinVersion;

    /// <summary>Shakes hands. Never throws: whatever the peer's bytes cause is in the outcome.</summary>
    /// <param name="resumes">Whether a session that the target gave before may be resumed.</param>
    public Task<TlsOutcome> ConnectAsync(Connection raw, bool resumes = true) =>
        raw is LinuxConnection own && _library is { } library
            ? ConnectByLibraryAsync(own, library, resumes ? _options : _optionsAnew)
            : ConnectByPlatformAsync(raw, resumes);

    private Task<TlsOutcome> ConnectByLibraryAsync(LinuxConnection raw, OpenSslContext library, HandshakeOptions options)
    {
        return !Judges || SystemAuthorities.ReadyAsync().IsCompleted ? LoopHandshake.RunAsync(raw, library, options, default) : OnceReadyAsync();

        // In the first moments of the process.
        async Task<TlsOutcome> OnceReadyAsync()
        {
            await SystemAuthorities.ReadyAsync().ConfigureAwait(false);
            return await LoopHandshake.RunAsync(raw, library, options, default).ConfigureAwait(false);
        }
    }

    private async Task<TlsOutcome> ConnectByPlatformAsync(Connection raw, bool resumes)
    {
        string? refusal = null;
        bool mayResume = resumes && _platformResumes;
        bool mayBeOffered = mayResume && Met.ContainsKey(_name);
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = _name,
            EnabledSslProtocols = TlsProtocols.From(_config.MinVersion),
            AllowRenegotiation = false,
            AllowTlsResume = mayResume,
            ApplicationProtocols = _protocols,
            ClientCertificateContext = _shown?.Context,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            CertificateChainPolicy = _authorities.NewPolicy(),
            RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
            {
                if (!PeerCertificate.IsJudged(_config.VerifyMode))
                    return true;
                refusal = TlsOutcome.Judged(() => Refusal(_authorities.Examine(certificate, chain, certificate is X509Certificate2 shown && IsForName(shown))))?.Why;
                return refusal is null;
            },
        };
        TlsOutcome outcome = await TlsOutcome.OfHandshakeAsync(raw, default, ssl => ssl.AuthenticateAsClientAsync(options), () => refusal).ConfigureAwait(false);
        if (outcome.Connection is not null || refusal is not null)
            Met.TryAdd(_name, true);
        bool isOfSession = outcome.Connection is null && OfferedSession.MayBeWhy(mayBeOffered, isShownNow: false, outcome.Raw);
        if (isOfSession || refusal is not null)
            _platformResumes = false;
        return outcome with { IsOfSession = isOfSession };
    }

    /// <summary>Why the target is refused, as <see cref="PeerCertificate"/> has it.</summary>
    private PeerRefusal? Refusal(PeerFinding finding)
    {
        FSharpValueOption<PeerRefusal> verdict = PeerCertificate.TargetRefusal(_config.VerifyMode, _name, finding);
        return verdict.IsSome ? verdict.Value : null;
    }

    private PeerRefusal? Judge(ShownChain? shown)
    {
        if (shown is not { } chain)
            return Refusal(_authorities.Examine(null, isForName: false));
        using X509Certificate2 certificate = X509CertificateLoader.LoadCertificate(OpenSsl.Encode(chain.Leaf));
        return Refusal(_authorities.Examine(chain, IsForName(certificate)));
    }

    /// <summary>
    /// By its subject alternative names alone (RFC 9525, section 1.3), on both engines; an address literal by the addresses among them (RFC 9525, section 6.5).
    /// </summary>
    private bool IsForName(X509Certificate2 shown) => _name.Length > 0
        && (TargetName.Asked(_name).Length > 0
            ? shown.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(static names => names.EnumerateDnsNames()).Any(dns => TargetName.IsNamedBy(dns, _name))
            : shown.MatchesHostname(_name, allowCommonName: false));

    private HandshakeOptions Options(bool resumes) => new()
    {
        IsServer = false,
        MinVersion = _config.MinVersion,
        Judge = PeerCertificate.IsJudged(_config.VerifyMode) ? Judge : null,
        Offer = _protocols is null ? default : _protocols.SelectMany(static p => p.Protocol.ToArray().Prepend((byte)p.Protocol.Length)).ToArray(),
        ServerName = Encoding.ASCII.GetBytes(TargetName.Asked(_name)),
        HasCertificate = _shown is not null,
        Session = _session,
        Resumes = resumes,
    };
}
