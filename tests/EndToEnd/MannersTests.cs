using System.Net.Sockets;
using System.Text.RegularExpressions;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// How the program speaks: colours where somebody sees them and nowhere else, a word about what takes longer than a second, plain
/// sentences about what was mistyped.
/// </summary>
public sealed partial class MannersTests : IDisposable
{
    private const string Usable = "server: { proxies: [ { name: web, listener: { address: '127.0.0.1:0' }, targets: [ { name: a, address: '127.0.0.1:9' } ] } ] }\n";

    private readonly string _folder = Directory.CreateTempSubdirectory("bitflow-manners-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Colours_are_for_terminals_and_for_those_who_want_them()
    {
        string config = Write("config.yaml", Usable);
        string warned = Write("warned.yaml", Usable.Replace("address: '127.0.0.1:9'", "address: '127.0.0.1:9', resolve_timeout: 1s", StringComparison.Ordinal));
        string faulty = Write("faulty.yaml", Usable.Replace("listener", "listner", StringComparison.Ordinal));
        string cases = Write("cases.yaml", "config: config.yaml\ncases: [ { name: one, client: 10.1.2.3, expect: { target: a } } ]\n");
        string failing = Write("failing.yaml", "config: config.yaml\ncases: [ { name: one, client: 10.1.2.3, expect: { target: b } } ]\n");
        foreach ((string command, int status, string colour) in new[]
        {
            ($"check --config {config}", 0, "\x1b[32m"),
            ($"check --config {warned}", 0, "\x1b[33mwarning:"),
            ($"check --config {faulty}", 2, "\x1b[31m"),
            ($"check --config {config} --strict", 0, "\x1b[32m"),
            ($"check --strict --config {warned}", 1, "\x1b[31m"),
            ($"test {cases}", 0, "\x1b[32m"),
            ($"test {failing}", 1, "\x1b[31m"),
            ("chekc", 2, "\x1b[31mbitflow:"),
        })
        {
            (int seenStatus, string seen) = await OnTerminalAsync($"{Repository.Binary} {command}");
            Assert.Equal(status, seenStatus);
            Assert.Contains(colour, seen, StringComparison.Ordinal);
            Assert.DoesNotMatch(Colour(), (await OnTerminalAsync($"NO_COLOR=1 {Repository.Binary} {command}")).Output);
            Assert.DoesNotMatch(Colour(), (await OnTerminalAsync($"TERM=dumb {Repository.Binary} {command}")).Output);
            (_, string output, string errors) = await ChildProcess.RunAsync(Repository.Binary, command.Split(' '), environment: Terminal);
            Assert.DoesNotContain('\x1b', output + errors);
        }
    }

    /// <summary>ESC [?1h, ESC = and what else the entry of a terminal says of reading keys: nothing would take it back.</summary>
    [Theory]
    [InlineData("chekc")]
    [InlineData("check --config CONFIG")]
    [InlineData("check --config CONFIG 2> /dev/null")]
    [InlineData("check --config CONFIG > /dev/null")]
    [InlineData("test CASES")]
    [InlineData("explain --config CONFIG --source 10.1.2.3")]
    public async Task The_mode_of_a_terminal_is_left_as_it_is(string command)
    {
        string config = Write("config.yaml", Usable);
        string cases = Write("cases.yaml", "config: config.yaml\ncases: [ { name: one, client: 10.1.2.3, expect: { target: a } } ]\n");
        string written = command.Replace("CONFIG", config, StringComparison.Ordinal).Replace("CASES", cases, StringComparison.Ordinal);
        (_, string seen) = await OnTerminalAsync($"{Repository.Binary} {written}");
        Assert.DoesNotContain('\x1b', Colour().Replace(seen, ""));
    }

    /// <summary>The log is the first to use the console there.</summary>
    [Fact]
    public async Task The_mode_of_a_terminal_is_left_as_it_is_while_it_serves()
    {
        string config = Write("config.yaml", "application: { log: { level: info } }\n" + Usable);
        using var terminal = new ChildProcess("script", ["-qec", $"{Repository.Binary} --config {config}", "/dev/null"], Terminal);
        await Eventually.IsTrueAsync(() => terminal.Output.Contains(" serves ", StringComparison.Ordinal), () => $"it serves; it said:\n{terminal.Output}");
        Assert.DoesNotContain('\x1b', Colour().Replace(terminal.Output, ""));
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("NO_COLOR=1 ", false)]
    public async Task The_levels_of_the_log_have_colours_on_a_terminal(string variable, bool coloured)
    {
        string config = Write("config.yaml", "application: { log: { level: info } }\n" + Usable);
        using var terminal = new ChildProcess("script", ["-qec", $"{variable}{Repository.Binary} --config {config}", "/dev/null"], Terminal);
        await Eventually.IsTrueAsync(() => terminal.Output.Contains(" serves ", StringComparison.Ordinal), () => $"it serves; it said:\n{terminal.Output}");
        Assert.Equal(coloured, terminal.Output.Contains("\x1b[32mINFO\x1b[0m proxy web: listening on 127.0.0.1:", StringComparison.Ordinal));
        Assert.Equal(coloured, Colour().IsMatch(terminal.Output));
    }

    [Fact]
    public async Task A_log_that_goes_into_a_file_has_none()
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync($"- name: web\n  listener: {{ address: '127.0.0.1:0' }}\n  targets: [ {{ name: a, address: '{echo.Address}' }} ]", environment: Terminal);
        Assert.DoesNotContain('\x1b', bitflow.Errors);
    }

    [Fact]
    public async Task A_drain_says_how_many_connections_are_left()
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync($"- name: web\n  listener: {{ address: '127.0.0.1:0' }}\n  targets: [ {{ name: a, address: '{echo.Address}' }} ]");
        using Socket one = await SocketWords.ConnectAsync(bitflow.EndPoint());
        using Socket two = await SocketWords.ConnectAsync(bitflow.EndPoint());
        foreach (Socket client in new[] { one, two })
        {
            await client.SendAllAsync(new byte[] { 1 });
            Assert.Single(await client.ReadExactlyAsync(1));
        }

        bitflow.Signal("TERM");
        await bitflow.SaysAsync("still draining (connections left: 2 of 2)");
        one.Dispose();
        await bitflow.SaysAsync("still draining (connections left: 1 of 2)");
        two.Dispose();
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    /// <summary>A script that traps a signal hands its being ignored on to what it starts.</summary>
    [Fact]
    public async Task Signals_that_a_parent_ignores_mean_what_they_always_mean()
    {
        string log = Path.Combine(_folder, "connections.log");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $"- name: web\n  listener: {{ address: '127.0.0.1:0' }}\n  targets: [ {{ name: a, address: '127.0.0.1:9' }} ]\n  options: {{ connection_log: '{log}' }}",
            launcher: ["sh", "-c", "trap '' HUP INT TERM USR1 USR2; exec \"$@\"", "sh"]);
        bitflow.Signal("USR1");
        await bitflow.SaysAsync("reopened");
        bitflow.Signal("USR2");
        await bitflow.SaysAsync("state: proxy web");
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("was read again and is in force");
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    /// <summary>The log is a pipe that is fed until the line has been seen: however fast the machine is, the replay takes long enough.</summary>
    [Fact]
    public async Task A_replay_that_takes_longer_than_a_second_shows_how_far_it_is_on_a_terminal_alone()
    {
        string config = Write("config.yaml", Usable);
        string log = Path.Combine(_folder, "log.jsonl");
        await NamedPipe.MakeAsync(log);
        using var terminal = new ChildProcess("script", ["-qec", $"{Repository.Binary} replay --config {config} --log {log}", "/dev/null"], Terminal);
        await using (FileStream pipe = await NamedPipe.OpenToWriteAsync(log))
        {
            await Eventually.IsTrueAsync(
                () =>
                {
                    pipe.Write("{}\n"u8);
                    pipe.Flush();
                    return terminal.Output.Contains("connections decided again", StringComparison.Ordinal);
                },
                () => $"it says how far it is; it said:\n{terminal.Output}");
        }

        // What was written is no connection log.
        Assert.Equal(2, await terminal.ExitAsync());
        Assert.Contains("connections decided again", terminal.Output, StringComparison.Ordinal);
        string unwrapped = string.Join(' ', terminal.Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(" no line of it is a connection record; name a file that a connection_log wrote", unwrapped, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_log_that_a_rotation_has_compressed_is_replayed_as_it_was_and_one_that_is_damaged_is_told()
    {
        string config = Write("config.yaml", Usable);
        string log = Path.Combine(_folder, "connections.log");
        using (BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $"- name: web\n  listener: {{ address: '127.0.0.1:0' }}\n  targets: [ {{ name: a, address: '127.0.0.1:9' }} ]\n  options: {{ connection_log: '{log}' }}"))
        {
            using (await SocketWords.ConnectAsync(bitflow.EndPoint()))
                await Eventually.IsTrueAsync(() => File.ReadAllText(log).EndsWith('\n'), "it is logged");
        }

        (int status, string plain, _) = await ChildProcess.RunAsync(Repository.Binary, ["replay", "--config", config, "--log", log]);
        Assert.Equal(0, status);
        Assert.Equal(0, (await ChildProcess.RunAsync("gzip", [log])).Status);
        Assert.Equal((0, plain, ""), await ChildProcess.RunAsync(Repository.Binary, ["replay", "--config", config, "--log", log + ".gz"]));
        byte[] whole = await File.ReadAllBytesAsync(log + ".gz");
        byte[] damaged = [.. whole];
        damaged[^6] ^= 0xff;
        foreach (byte[] bytes in new[] { damaged, whole[..(whole.Length / 2)], whole[..^1], whole[..10] })
        {
            await File.WriteAllBytesAsync(log + ".gz", bytes);
            (status, string output, string errors) = await ChildProcess.RunAsync(Repository.Binary, ["replay", "--config", config, "--log", log + ".gz"]);
            Assert.Equal((2, ""), (status, output));
            Assert.Equal($"{log}.gz: what gzip compressed is damaged or cut off (gzip -t)\n", errors);
        }
    }

    [Fact]
    public async Task Files_that_cannot_be_read_are_told_apart()
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder, "folder")).FullName;
        foreach (string[] command in new string[][] { ["--config", "FILE"], ["check", "--config", "FILE"], ["test", "FILE"], ["diff", "FILE", "FILE"] })
        {
            (int status, _, string errors) = await ChildProcess.RunAsync(Repository.Binary, command.Select(word => word.Replace("FILE", folder, StringComparison.Ordinal)));
            Assert.Equal(2, status);
            Assert.Contains($"{folder}: it is a directory; name a file in it", errors, StringComparison.Ordinal);
            (status, _, errors) = await ChildProcess.RunAsync(Repository.Binary, command.Select(word => word.Replace("FILE", "nowhere.yaml", StringComparison.Ordinal)));
            Assert.Equal(2, status);
            Assert.Contains("nowhere.yaml: there is no such file in /", errors, StringComparison.Ordinal);
        }
    }

    /// <summary>Of bytes that are no UTF-8 the runtime makes U+FFFD, and no file has that name.</summary>
    [Fact]
    public async Task A_file_whose_name_is_not_UTF_8_is_told_from_one_that_is_not_there_and_can_be_given_on_standard_input()
    {
        string config = Write("config.yaml", Usable);
        (int status, _, string errors) = await ChildProcess.RunAsync(
            "sh", ["-c", "odd=$(printf '%s/odd\\377.yaml' \"$1\"); cp \"$2\" \"$odd\"; \"$0\" check --config \"$odd\"", Repository.Binary, _folder, config]);
        Assert.Equal(2, status);
        Assert.Contains("where its name is not UTF-8, Bitflow cannot open it: rename it, or give it as /dev/stdin", errors, StringComparison.Ordinal);
        // What removes the folder behind the test could not name the file either.
        (status, _, errors) = await ChildProcess.RunAsync(
            "sh", ["-c", "odd=$(printf '%s/odd\\377.yaml' \"$1\"); \"$0\" check --config /dev/stdin < \"$odd\"; status=$?; rm \"$odd\"; exit $status", Repository.Binary, _folder]);
        Assert.True(status == 0, errors);
    }

    [Fact]
    public async Task A_device_that_never_ends_is_read_no_further_than_any_file_may_go()
    {
        foreach (string command in new[] { "check --config /dev/zero", "test /dev/zero", "diff /dev/zero /dev/zero", "inspect hello /dev/zero", "inspect proxy-header /dev/zero" })
        {
            (int status, _, string errors) = await ChildProcess.RunAsync(Repository.Binary, command.Split(' '));
            Assert.Equal(2, status);
            Assert.Contains("/dev/zero: the file has more than 4194304 bytes", errors, StringComparison.Ordinal);
        }

        // One that a configuration names is compared by its contents, as far as they go, and is no certificate.
        string named = Write("named.yaml", Usable.Replace("127.0.0.1:0'", "127.0.0.1:0', tls_context: { certificates: [ { key: /dev/zero, certificate: /dev/zero } ] }", StringComparison.Ordinal));
        (int failed, string plan, string why) = await ChildProcess.RunAsync(Repository.Binary, ["diff", named, named]);
        Assert.Equal(1, failed);
        Assert.Contains("kept, nothing changed", plan, StringComparison.Ordinal);
        Assert.Contains("/dev/zero: the file has more than 4194304 bytes", why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_inspection_says_why_a_file_cannot_be_read()
    {
        string text = Write("capture.txt", "PROXY UNKNOWN\r\n");
        Assert.Equal(0, (await ChildProcess.RunAsync(Repository.Binary, ["inspect", "proxy-header", text])).Status);
        foreach ((string input, string why) in new[]
        {
            (_folder, "it is a directory; name a file in it"),
            (Path.Combine(_folder, "nothing"), "there is no such file"),
            (Path.Combine(_folder, "$NAME"), "$NAME: there is no such file; the path is taken as it stands: write out what ~ and variables stand for"),
            ("~/nothing", "; the path is taken as it stands: write out what ~ and variables stand for"),
            ("-", "-: there is no such file; standard input is /dev/stdin"),
            ("160301g", "is neither a file nor hexadecimal text"),
        })
        {
            (int status, _, string errors) = await ChildProcess.RunAsync(Repository.Binary, ["inspect", "proxy-header", input]);
            Assert.Equal(2, status);
            Assert.Contains(why, errors, StringComparison.Ordinal);
        }
    }

    /// <summary>A shell makes them of variables that are not set, and of names with whatever in them.</summary>
    [Fact]
    public async Task Words_that_name_no_file_are_answered_with_a_sentence()
    {
        string config = Write("config.yaml", Usable);
        string cases = Write("cases.yaml", "config: \"no\\nwhere\\e[31m\"\ncases: [ { client: 10.1.2.3, expect: { target: a } } ]\n");
        foreach (string[] command in new string[][]
        {
            ["test", ""], ["replay", "--config", config, "--log", ""], ["diff", "", config], ["check", "--config", ""],
            ["check", "--config", "no\nwhere\x1b[31m"], ["test", "no\nwhere\x1b[31m"], ["replay", "--config", config, "--log", "no\nwhere\x1b[31m"], ["test", cases],
        })
        {
            (int status, string output, string errors) = await ChildProcess.RunAsync(Repository.Binary, command);
            Assert.Equal(2, status);
            Assert.Empty(output);
            Assert.Single(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
            Assert.DoesNotContain('\x1b', errors);
            Assert.DoesNotContain("Parameter", errors, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Names_of_a_file_steer_no_terminal_whatever_command_shows_them()
    {
        string named = Write("named.yaml", Usable.Replace("web", "\"w\\u202Eb\"", StringComparison.Ordinal).Replace("name: a", "name: \"a\\u202E\"", StringComparison.Ordinal));
        string other = Write("other.yaml", Usable);
        string cases = Write("cases.yaml", "config: named.yaml\ncases: [ { name: \"c\\u202E\", client: 10.1.2.3, expect: { target: b } } ]\n");
        foreach (string command in new[] { $"check --config {named}", $"diff {named} {other}", $"explain --config {named} --source 10.1.2.3", $"test {cases}" })
        {
            (_, string output, string errors) = await ChildProcess.RunAsync(Repository.Binary, command.Split(' '));
            Assert.Contains("\\u{202E}", output + errors, StringComparison.Ordinal);
            Assert.DoesNotContain('\u202E', output + errors);
        }
    }

    private static Dictionary<string, string> Terminal => new() { ["TERM"] = "xterm", ["NO_COLOR"] = "" };

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private static async Task<(int Status, string Output)> OnTerminalAsync(string command)
    {
        (int status, string output, string errors) = await ChildProcess.RunAsync("script", ["-qec", command, "/dev/null"], environment: Terminal);
        return (status, output + errors);
    }

    [GeneratedRegex(@"\x1b\[[0-9;]*m")]
    private static partial Regex Colour();
}
