using System.Runtime.Versioning;
using System.Text.RegularExpressions;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>The Pod that is shipped: what beside the proxy makes it read a changed ConfigMap, run here in a folder that changes as a ConfigMap's does.</summary>
[SupportedOSPlatform("linux")]
public sealed class PodTests
{
    /// <summary>Not the `top` that somebody runs in it, whose end the signal would be; and what changed while no server ran is not forgotten.</summary>
    [Fact]
    public async Task A_change_of_the_Pods_configuration_reaches_its_server_and_nothing_else()
    {
        using var temporary = new TemporaryFolder();
        string folder = temporary.Path;
        string commands = Regex.Match(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "deploy/kubernetes/bitflow.yaml")), @"- -c\n +- \|\n(?<script>(?: {14}.*\n)+)").Groups["script"].Value
            .Replace("/etc/bitflow", folder, StringComparison.Ordinal)
            .Replace("sleep 5", "sleep 0.1", StringComparison.Ordinal);
        string found = Path.Combine(folder, "found");
        string pidof = Path.Combine(folder, "pidof");
        await File.WriteAllTextAsync(pidof, $"#!/bin/sh\ntouch '{folder}/asked'\ncat '{found}' 2>/dev/null\n");
        File.SetUnixFileMode(pidof, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string data = Path.Combine(folder, "..data");
        File.CreateSymbolicLink(data, "first");
        using BitflowProcess server = await BitflowProcess.StartAsync(
            "- { name: web, listener: { address: '127.0.0.1:0' }, targets: [ { name: t, address: '127.0.0.1:1' } ] }");
        using var other = new ChildProcess(Repository.Binary, ["echo", "127.0.0.1:0"]);
        await other.SaysAsync("listening");
        using var sidecar = new ChildProcess(
            "sh", ["-c", commands], new Dictionary<string, string> { ["PATH"] = $"{folder}:{Environment.GetEnvironmentVariable("PATH")}" });

        // Until it is seen that something changed, as it began to look at one of these.
        await Eventually.IsTrueAsync(() => File.Exists(Path.Combine(folder, "asked")) || !Swap(), () => $"the change is seen: {sidecar.Errors}");
        await File.WriteAllTextAsync(found, $"{other.Id} {server.Id}\n");
        await server.SaysAsync("was read again and is in force");
        Assert.False(other.HasExited);

        bool Swap()
        {
            File.Delete(data);
            File.CreateSymbolicLink(data, Guid.NewGuid().ToString("N"));
            return true;
        }
    }
}
