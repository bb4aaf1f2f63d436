using Bitflow.Domain;
using Bitflow.Net.Tls;

namespace Bitflow.App.Commands;

/// <summary>A configuration with the files that it names, for the commands that decide without serving.</summary>
internal sealed class LoadedConfig
{
    private readonly LoadedTls _tls;

    private LoadedConfig(Config config, LoadedTls tls)
    {
        Config = config;
        _tls = tls;
    }

    public Config Config { get; }

    /// <summary>Null where the file is unusable; every reason is then on standard error.</summary>
    public static LoadedConfig? Load(string path)
    {
        ConfigReading? reading = ConfigLoading.Read(path, out string problem);
        if (reading is null)
        {
            Console.Error.WriteLine(problem);
            return null;
        }

        foreach (string line in reading.Errors)
            Console.Error.WriteLine(line);
        if (!reading.IsUsable)
            return null;
        LoadedTls tls = LoadedTls.Load(reading.Config, TimeProvider.System);
        foreach (TlsFinding finding in tls.Findings.Where(f => f.IsError))
            Console.Error.WriteLine(reading.Line(finding.Path, finding.Message));
        return tls.Findings.Any(f => f.IsError) ? null : new LoadedConfig(reading.Config, tls);
    }

    /// <summary>The listener's rules for hellos; null where it terminates no TLS, or there is no such proxy.</summary>
    public ListenerTlsRules? TlsOf(string proxyName) =>
        Config.Proxies.FirstOrDefault(p => p.Name == proxyName) is { } proxy ? _tls.Of(proxy).Listener?.Rules : null;
}
