using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Text.RegularExpressions;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// The Debian package, installed by dpkg into a root of its own: it serves from there, an upgrade over itself keeps what the administrator
/// changed, removing it leaves the configuration, and purging leaves nothing.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed partial class PackageTests
{
    [Fact]
    public async Task The_package_installs_serves_upgrades_and_leaves()
    {
        await RunAsync("sh", "-c", "umask 077; exec \"$0\" \"$1\"", Path.Combine(Repository.Root, "scripts/package"), Repository.Binary);
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
            EveryoneMayRead(Path.Combine(root, "usr"));
            EveryLinkOfADocumentLeadsSomewhere(Path.Combine(root, "usr/share/doc/bitflow"));
            await SocketsAreForTheGroupAsync(program, Path.Combine(root, "usr/lib/systemd/system/bitflow.service"), root);

            using Peer echo = Peer.Echo();
            string mine = $"application: {{ log: {{ level: info }} }}\nserver:\n  proxies:\n    - name: web\n      listener: {{ address: '127.0.0.1:0' }}\n      targets: [ {{ name: a, address: '{echo.Address}' }} ]\n";
            await File.WriteAllTextAsync(config, mine);
            using (var served = new ChildProcess(program, ["--config", config]))
            {
                await served.SaysAsync(" serves ");
                int port = int.Parse(Regex.Match(served.Errors, @"listening on \S+:(\d+)").Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
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
            string logs = Path.Combine(root, "var/log");
            Directory.CreateDirectory(Path.Combine(logs, "private/bitflow"));
            await File.WriteAllTextAsync(Path.Combine(logs, "private/bitflow/web.jsonl"), "{}");
            File.CreateSymbolicLink(Path.Combine(logs, "bitflow"), "private/bitflow");
            await DpkgAsync(root, "--purge", "bitflow");
            Assert.False(File.Exists(config));
            Assert.Empty(Directory.GetFileSystemEntries(logs, "bitflow", SearchOption.AllDirectories));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    /// <summary>systemd gives a unit up that it tried too often: what is mended then cannot be started, and its socket goes with it.</summary>
    [Fact]
    public async Task A_start_that_a_faulty_file_fails_is_not_tried_again_and_no_start_is_tried_too_often()
    {
        string[] unit = await File.ReadAllLinesAsync(Path.Combine(Repository.Root, "deploy/bitflow.service"));
        using BitflowProcess bitflow = BitflowProcess.Launch("- nonsense");
        Assert.Contains($"RestartPreventExitStatus={await bitflow.ExitAsync()}", unit);
        Assert.Contains("StartLimitIntervalSec=0", unit);
        Assert.DoesNotContain(unit, static line => line.StartsWith("ExecStartPre", StringComparison.Ordinal));
        Assert.Contains("TriggerLimitIntervalSec=0", await File.ReadAllLinesAsync(Path.Combine(Repository.Root, "deploy/examples/bitflow.socket")));
    }

    [Theory]
    [InlineData("active", "good", "try-restart bitflow.service\n", "")]
    [InlineData("active", "faulty", "", "the service goes on as the version it was")]
    [InlineData("inactive", "faulty", "", "")]
    public async Task An_upgrade_restarts_what_runs_unless_the_new_program_would_refuse_its_file(string state, string file, string done, string said)
    {
        string folder = Directory.CreateTempSubdirectory("bitflow-upgrade-").FullName;
        string config = Path.Combine(folder, "config.yaml");
        await File.WriteAllTextAsync(
            config,
            file == "good" ? "server: { proxies: [ { name: a, listener: { address: '127.0.0.1:0' }, targets: [ { name: a, address: '127.0.0.1:9' } ] } ] }" : "nonsense");
        File.CreateSymbolicLink(Path.Combine(folder, "bitflow"), Repository.Binary);
        string script = (await File.ReadAllTextAsync(Path.Combine(Repository.Root, "deploy/debian/postinst")))
            .Replace("/run/systemd/system", folder, StringComparison.Ordinal)
            .Replace("/etc/bitflow/config.yaml", config, StringComparison.Ordinal);
        (int status, string errors, string told) = await WithSystemctlAsync(
            folder,
            $"""
                "daemon-reload") exit ;;
                "is-active --quiet bitflow.service") [ {state} = active ]; exit ;;
            """,
            ["-c", script, "postinst", "configure", "0.0.9"]);
        Assert.Equal((0, done), (status, told));
        Assert.Contains(said, errors, StringComparison.Ordinal);
        Assert.Equal(said.Length == 0, errors.Length == 0);
    }

    /// <summary>
    /// By a name that every systemd knows, and in a drain, when it is not active any more: a service that misses the signal goes on in the file that
    /// was moved away. `systemctl` here is the oldest that the package may meet.
    /// </summary>
    [Theory]
    [InlineData("1234", 0, 0, "--kill-who=main --signal=SIGUSR1 bitflow.service\n")]
    [InlineData("1234", 1, 1, "--kill-who=main --signal=SIGUSR1 bitflow.service\n")]
    [InlineData("0", 1, 0, "")]
    [InlineData("", 1, 0, "")]
    public async Task A_rotation_tells_a_service_that_runs_and_does_not_hide_that_it_could_not(string process, int killStatus, int expected, string killed)
    {
        string script = Regex.Match(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "deploy/logrotate")), @"postrotate\n(?<script>.*?)\n\s*endscript", RegexOptions.Singleline).Groups["script"].Value;
        (int status, string errors, string told) = await WithSystemctlAsync(
            Directory.CreateTempSubdirectory("bitflow-rotation-").FullName,
            $"""
                "is-active --quiet bitflow.service") exit 3 ;;
                "show -p MainPID --value bitflow.service") echo '{process}'; exit ;;
                *--kill-whom*) echo "unrecognized option" >&2; exit 1 ;;
                *) status={killStatus}; shift ;;
            """,
            ["-c", script]);
        Assert.Equal((expected, killed, ""), (status, told, errors));
    }

    /// <summary>Runs a script in a folder, which then goes, with a `systemctl` that answers as told; `Told` is all else that it was asked.</summary>
    private static async Task<(int Status, string Errors, string Told)> WithSystemctlAsync(string folder, string answers, string[] script)
    {
        string systemctl = Path.Combine(folder, "systemctl");
        string told = Path.Combine(folder, "told");
        await File.WriteAllTextAsync(
            systemctl,
            $"""
            #!/bin/sh
            case "$*" in
            {answers}
            esac
            echo "$*" >>'{told}'
            exit $status
            """);
        File.SetUnixFileMode(systemctl, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        (int status, _, string errors) = await ChildProcess.RunAsync(
            "sh", script, environment: new Dictionary<string, string> { ["PATH"] = $"{folder}:{Environment.GetEnvironmentVariable("PATH")}" });
        string all = File.Exists(told) ? await File.ReadAllTextAsync(told) : "";
        Directory.Delete(folder, recursive: true);
        return (status, errors, all);
    }

    /// <summary>Under the umask of the unit.</summary>
    private static async Task SocketsAreForTheGroupAsync(string program, string unit, string folder)
    {
        string umask = Regex.Match(await File.ReadAllTextAsync(unit), @"(?m)^UMask=(\d+)$").Groups[1].Value;
        string config = Path.Combine(folder, "sockets.yaml");
        await File.WriteAllTextAsync(
            config,
            $$"""
            application: { log: { level: info }, admin: { address: 'unix:{{folder}}/admin.sock' } }
            server:
              proxies:
                - name: web
                  listener: { address: 'unix:{{folder}}/web.sock' }
                  targets: [ { name: a, address: '127.0.0.1:9' } ]
                  options: { connection_log: '{{folder}}/web.jsonl' }
            """);
        using var served = new ChildProcess("sh", ["-c", $"umask {umask}; exec \"$0\" --config \"$1\"", program, config]);
        await served.SaysAsync(" serves ");
        const UnixFileMode Group = UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
        const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        foreach (string socket in new[] { "web.sock", "admin.sock" })
            Assert.Equal(Group, File.GetUnixFileMode(Path.Combine(folder, socket)) & (Group | Others));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(Path.Combine(folder, "web.jsonl")));
        served.Signal("TERM");
        Assert.Equal(0, await served.ExitAsync());
    }

    private static void EveryoneMayRead(string folder)
    {
        foreach (string entry in Directory.GetFileSystemEntries(folder, "*", SearchOption.AllDirectories))
            Assert.True((File.GetUnixFileMode(entry) & UnixFileMode.OtherRead) != 0, $"not everyone may read {entry}");
    }

    private static void EveryLinkOfADocumentLeadsSomewhere(string folder)
    {
        string[] pages = Directory.GetFiles(folder, "*.md", SearchOption.AllDirectories);
        Assert.NotEmpty(pages);
        foreach (string page in pages)
        {
            foreach (Match link in Link().Matches(File.ReadAllText(page)))
            {
                string target = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(page)!, link.Groups["target"].Value));
                Assert.True(File.Exists(target), $"{page} of the package links to {link.Groups["target"].Value}, which it does not have");
            }
        }
    }

    /// <summary>A link to another file: no address, no place on the page itself.</summary>
    [GeneratedRegex(@"\]\((?<target>[^)#:\s]+)(?:#[^)\s]*)?\)")]
    private static partial Regex Link();

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
