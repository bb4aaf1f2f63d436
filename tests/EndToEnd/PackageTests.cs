using System.Net;
using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// The Debian package, installed by dpkg into a root of its own: it serves from there, an upgrade over itself keeps what the administrator
/// changed, removing it leaves the configuration, and purging leaves nothing.
/// </summary>
public sealed class PackageTests
{
    [Fact]
    public async Task The_package_installs_serves_upgrades_and_leaves()
    {
        await RunAsync("scripts/package", Repository.Binary);
        string package = Directory.GetFiles(Path.Combine(Repository.Root, "artifacts"), "bitflow_*.deb").Single();
        string root = Directory.CreateTempSubdirectory("bitflow-root-").FullName;
        try
        {
            Directory.CreateDirectory(Path.Combine(root, "var/lib/dpkg/updates"));
            Directory.CreateDirectory(Path.Combine(root, "var/lib/dpkg/info"));
            await File.WriteAllTextAsync(Path.Combine(root, "var/lib/dpkg/status"), "");
            await DpkgAsync(root, "--install", package);
            string program = Path.Combine(root, "usr/bin/bitflow");
            string config = Path.Combine(root, "etc/bitflow/config.yaml");
            await RunAsync(program, "check", "--config", config);

            using Peer echo = Peer.Echo();
            string mine = $"application: {{ log: {{ level: info }} }}\nserver:\n  proxies:\n    - name: web\n      listener: {{ address: '127.0.0.1:0' }}\n      targets: [ {{ name: a, address: '{echo.Address}' }} ]\n";
            await File.WriteAllTextAsync(config, mine);
            using (var served = new ChildProcess(program, ["--config", config]))
            {
                await served.SaysAsync(" serves ");
                int port = int.Parse(System.Text.RegularExpressions.Regex.Match(served.Errors, @"listening on \S+:(\d+)").Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
                using Socket client = await SocketWords.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
                await client.SendAllAsync("hello"u8.ToArray());
                Assert.Equal("hello"u8.ToArray(), await client.ReadExactlyAsync(5));
                client.Dispose();
                served.Signal("TERM");
                Assert.Equal(0, await served.ExitAsync());
            }

            await DpkgAsync(root, "--install", package);
            Assert.Equal(mine, await File.ReadAllTextAsync(config));
            await DpkgAsync(root, "--remove", "bitflow");
            Assert.False(File.Exists(program));
            Assert.Equal(mine, await File.ReadAllTextAsync(config));
            await DpkgAsync(root, "--purge", "bitflow");
            Assert.False(File.Exists(config));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static Task DpkgAsync(string root, params string[] arguments) =>
        RunAsync(
            "dpkg",
            [$"--root={root}", "--log=/dev/null", "--force-script-chrootless", "--force-not-root", "--force-depends", "--force-confold", .. arguments]);

    private static async Task RunAsync(string program, params string[] arguments)
    {
        string path = program.StartsWith("scripts/", StringComparison.Ordinal) ? Path.Combine(Repository.Root, program) : program;
        (int status, string output, string errors) = await ChildProcess.RunAsync(path, arguments, patience: TimeSpan.FromMinutes(5));
        Assert.True(status == 0, $"{program} {string.Join(' ', arguments)} ended with {status}:\n{output}{errors}");
    }
}
