using Bitflow.Domain;
using Bitflow.Net.Files;

namespace Bitflow.Net.Tls;

/// <summary>
/// The TLS contexts of a whole configuration, loaded before anything is bound: `check` and starting load the same way.
/// </summary>
internal sealed class LoadedTls
{
    private readonly Dictionary<string, ProxyTls> _proxies = new(StringComparer.Ordinal);
    private readonly List<TlsFinding> _findings = [];

    private LoadedTls(DateTimeOffset at) => At = at;

    /// <summary>When its files were judged.</summary>
    public DateTimeOffset At { get; }

    /// <summary>What is wrong or doubtful. The contexts may be used if no finding is an error.</summary>
    public IReadOnlyList<TlsFinding> Findings => _findings;

    /// <param name="onChain">Told of every certificate as it is loaded: there may be thousands.</param>
    public static LoadedTls Load(Config config, NamedFiles files, TimeProvider time, Action? onChain = null)
    {
        var loaded = new LoadedTls(time.GetUtcNow());
        bool onPlatform = EngineChoice.IsManaged(config.Application.Engine, OperatingSystem.IsLinux());
        int index = 0;
        foreach (ProxyConfig proxy in config.Proxies)
            loaded._proxies.Add(proxy.Name, ProxyTls.Load(proxy, index++, files, loaded.At, onPlatform, loaded._findings, onChain));
        return loaded;
    }

    public ProxyTls Of(ProxyConfig proxy) => _proxies[proxy.Name];
}
