using Bitflow.Domain;
using Bitflow.Net.Files;
using Bitflow.Net.Linux;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Tls;

/// <summary>The TLS contexts of one proxy, loaded once: its listener's, and each target's.</summary>
internal sealed class ProxyTls
{
    /// <summary>Less than 0: it was not asked for.</summary>
    private long _firstEnd = -1;

    private ProxyTls(ListenerTlsContext? listener, TargetTlsContext?[] targets)
    {
        Listener = listener;
        Targets = targets;
    }

    /// <summary>Null where the listener does not terminate TLS.</summary>
    public ListenerTlsContext? Listener { get; }

    /// <summary>One a target, in their order; null where it is dialled in plain text.</summary>
    public TargetTlsContext?[] Targets { get; }

    /// <summary>Whether certificates of targets are judged, by the machine's authorities too.</summary>
    public bool VerifiesTargets => Targets.Any(static target => target is { Judges: true });

    /// <summary>When the first of the certificates expires that are shown, to clients and to targets: in seconds since 1970; 0 for none.</summary>
    public long FirstEnd
    {
        get
        {
            // Every second somebody may ask, and there may be thousands; at the start nobody does. Whoever asks at the same time finds the same.
            if (_firstEnd < 0)
                _firstEnd = CertificateChecks.FirstEnd([.. Listener?.Certificates ?? [], .. Targets.Select(static target => target?.Shown).OfType<CertificateFacts>()]);
            return _firstEnd;
        }
    }

    /// <summary>What is shown, to clients and to targets, with the file that it is in.</summary>
    /// <param name="proxy">What this was loaded for.</param>
    public IEnumerable<(string File, CertificateFacts Facts)> Shown(ProxyConfig proxy)
    {
        IEnumerable<string> files = proxy.Listener.Tls is { Value: { } tls } ? tls.Certificates.Select(static entry => entry.Shown.Certificate) : [];
        foreach ((string file, CertificateFacts facts) in files.Zip(Listener?.Certificates ?? []))
            yield return (file, facts);
        foreach ((TargetConfig target, TargetTlsContext? context) in proxy.Targets.Zip(Targets))
        {
            if (context?.Shown is { } facts && target.Tls?.Value.Shown?.Value is { } shown)
                yield return (shown.Certificate, facts);
        }
    }

    /// <summary>Loads everything that the configuration of a proxy names. The contexts may be used if no finding is an error.</summary>
    /// <param name="index">The proxy's place in the file, for the paths of the findings.</param>
    /// <param name="onPlatform">Whether the platform shakes hands.</param>
    public static ProxyTls Load(ProxyConfig proxy, int index, NamedFiles files, DateTimeOffset now, bool onPlatform, List<TlsFinding> findings, Action? onChain)
    {
        string path = $"server.proxies[{index}]";
        if ((proxy.Listener.Tls is not null || proxy.Targets.Any(static t => t.Tls is not null)) && !PlatformTls.IsThere)
        {
            findings.Add(new TlsFinding(IsError: true, path, PlatformTls.Missing));
            return new ProxyTls(null, new TargetTlsContext?[proxy.Targets.Length]);
        }

        FSharpOption<FSharpList<string>> sniTargets = proxy.Options.LoadBalancer.IsSni
            ? FSharpOption<FSharpList<string>>.Some(ListModule.OfSeq(proxy.Targets.Select(t => t.Name)))
            : FSharpOption<FSharpList<string>>.None;
        ListenerTlsContext? listener = proxy.Listener.Tls is { Value: { } listenerTls }
            ? ListenerTlsContext.Load(listenerTls, new TlsLoading(path + ".listener.tls_context", files, now, sniTargets, onPlatform, findings, onChain))
            : null;
        TargetTlsContext?[] targets =
        [
            .. proxy.Targets.Select((target, i) => target.Tls is { Value: { } targetTls }
                ? TargetTlsContext.Load(target, targetTls, new TlsLoading($"{path}.targets[{i}].tls_context", files, now, sniTargets, onPlatform, findings, onChain))
                : null),
        ];
        return new ProxyTls(listener, targets);
    }
}
