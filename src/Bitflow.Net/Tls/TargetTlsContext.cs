using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Tls;

/// <summary>TLS towards one target: what its files hold and what its settings mean, made once a configuration.</summary>
internal sealed class TargetTlsContext
{
    private readonly TargetTls _config;
    private readonly string _name;
    private readonly SslStreamCertificateContext? _certificate;
    private readonly Authorities _authorities;
    private readonly List<SslApplicationProtocol>? _protocols;

    private TargetTlsContext(TargetTls config, string name, SslStreamCertificateContext? certificate, Authorities authorities)
    {
        _config = config;
        _name = name;
        _certificate = certificate;
        _authorities = authorities;
        _protocols = config.ApplicationProtocols.IsEmpty ? null : [.. config.ApplicationProtocols.Select(p => new SslApplicationProtocol(p))];
    }

    public static TargetTlsContext Load(TargetConfig target, TargetTls config, TlsLoading loading)
    {
        CertificateChain? shown = null;
        var authorities = new X509Certificate2Collection();
        foreach ((CertificateFiles files, string path) in loading.Entries(config.Certificates))
        {
            if (files.Certificate.Length > 0 && loading.Chain(files, path) is { } chain)
            {
                shown ??= chain;
                loading.Warn(path + ".certificate", files.Certificate, CertificateChecks.ClientWarnings(loading.Now, chain.Facts));
            }

            loading.Authorities(files, path, authorities);
        }

        return new TargetTlsContext(config, TargetName.Of(target, config), shown?.Context, Tls.Authorities.OfTarget(authorities));
    }

    /// <summary>Shakes hands. Never throws: whatever the peer's bytes cause is in the outcome.</summary>
    public async Task<TlsOutcome> ConnectAsync(Connection raw)
    {
        string? refusal = null;
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = _name,
            EnabledSslProtocols = TlsProtocols.From(_config.MinVersion),
            AllowRenegotiation = false,
            ApplicationProtocols = _protocols,
            ClientCertificateContext = _certificate,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            CertificateChainPolicy = _authorities.NewPolicy(),
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            {
                if (_config.VerifyMode.IsNone)
                    return true;
                bool isForName = !errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch);
                FSharpValueOption<string> verdict =
                    PeerCertificate.TargetRefusal(_config.VerifyMode, _name, _authorities.Examine(certificate, chain, isForName));
                refusal = verdict.IsSome ? verdict.Value : null;
                return refusal is null;
            },
        };
        return await TlsOutcome.OfHandshakeAsync(raw, default, ssl => ssl.AuthenticateAsClientAsync(options), () => refusal).ConfigureAwait(false);
    }
}
