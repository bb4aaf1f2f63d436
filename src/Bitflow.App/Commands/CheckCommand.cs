using Bitflow.Domain;

namespace Bitflow.App.Commands;

/// <summary>`bitflow check`: the plan that starting runs, files loaded, nothing bound; says what would be served.</summary>
internal static class CheckCommand
{
    public static int Run(string path)
    {
        if (LoadedConfiguration.LoadOrSay(path) is not { } loaded)
            return ExitStatus.Unusable;
        foreach (string line in loaded.Warnings)
            Console.Error.WriteLine($"warning: {line}");
        foreach (ProxyConfig proxy in loaded.Config.Proxies)
        {
            string targets = string.Join(", ", proxy.Targets.Select(t => $"{t.Name} ({t.Address})"));
            Console.Out.WriteLine($"proxy {proxy.Name}: {proxy.Listener.Address} -> {targets}");
        }

        Console.Out.WriteLine($"{path}: usable");
        return ExitStatus.Done;
    }
}
