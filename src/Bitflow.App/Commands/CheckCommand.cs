using Bitflow.Domain;
using Bitflow.Net.Tls;

namespace Bitflow.App.Commands;

/// <summary>`bitflow check`: the plan that starting runs, files loaded, nothing bound; says what would be served.</summary>
internal static class CheckCommand
{
    public static int Run(string path)
    {
        ConfigReading? reading = ConfigLoading.Read(path, out string problem);
        if (reading is null)
        {
            Console.Error.WriteLine(problem);
            return ExitStatus.Unusable;
        }

        foreach (string line in reading.Errors)
            Console.Error.WriteLine(line);
        foreach (string line in reading.Warnings)
            Console.Error.WriteLine($"warning: {line}");
        if (!reading.IsUsable)
            return ExitStatus.Unusable;
        foreach (string line in reading.Unsupported)
            Console.Error.WriteLine($"warning: {line}");
        LoadedTls tls = LoadedTls.Load(reading.Config, TimeProvider.System);
        foreach (TlsFinding finding in tls.Findings)
            Console.Error.WriteLine((finding.IsError ? "" : "warning: ") + reading.Line(finding.Path, finding.Message));
        if (tls.Findings.Any(f => f.IsError))
            return ExitStatus.Unusable;
        foreach (ProxyConfig proxy in reading.Config.Proxies)
        {
            string targets = string.Join(", ", proxy.Targets.Select(t => $"{t.Name} ({t.Address})"));
            Console.Out.WriteLine($"proxy {proxy.Name}: {proxy.Listener.Address} -> {targets}");
        }

        Console.Out.WriteLine($"{path}: usable");
        return ExitStatus.Done;
    }
}
