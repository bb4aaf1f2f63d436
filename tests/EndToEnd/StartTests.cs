using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Bitflow.Tests.Transport;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Starting, or saying why not: exit status 1 with every listener that cannot be had behind the name of its proxy, 2 with every error of a
/// configuration, and never a stack trace. What becomes of the files of Unix sockets.
/// </summary>
public sealed class StartTests
{
    private static string Proxy(string name, string address, string target = "127.0.0.1:9") =>
        $$"""
        - name: {{name}}
          listener: { address: '{{address}}' }
          targets: [ { name: a, address: '{{target}}' } ]

        """;

    private static async Task<(int Status, string Errors)> RunToEndAsync(string proxies)
    {
        using BitflowProcess bitflow = BitflowProcess.Launch(proxies);
        int status = await bitflow.ExitAsync();
        Assert.DoesNotContain("   at ", bitflow.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled", bitflow.Errors, StringComparison.Ordinal);
        return (status, bitflow.Errors);
    }

    [Fact]
    public async Task An_IPv4_address_written_as_a_mapped_one_is_listened_on_as_IPv4()
    {
        using var echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy("web", "[::ffff:127.0.0.1]:0", echo.Address));
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint("web"));
        await client.SendAllAsync("hello"u8.ToArray());
        Assert.Equal("hello"u8.ToArray(), await client.ReadExactlyAsync(5));
    }

    [Fact]
    public async Task Two_listeners_of_one_file_that_turn_out_to_be_one_address_are_not_taken_for_another_process()
    {
        int port = Ports.Next();
        (int status, string errors) = await RunToEndAsync(Proxy("first", $"127.0.0.1:{port}") + Proxy("second", $"0x7f000001:{port}"));
        Assert.Equal(1, status);
        Assert.Contains(
            $"proxy second: cannot listen on 0x7f000001:{port}: Bitflow itself has the address: proxy first listens there with 127.0.0.1:{port}, and is to go on; one of the two needs another",
            errors,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_listener_that_cannot_be_had_is_named_with_its_proxy()
    {
        using var taken = new Peer();
        string folder = Directory.CreateTempSubdirectory("bitflow-start-").FullName;
        string live = Path.Combine(folder, "live.sock");
        using var listening = new Peer(new UnixDomainSocketEndPoint(live));
        string file = Path.Combine(folder, "file");
        await File.WriteAllTextAsync(file, "mine");
        (int status, string errors) = await RunToEndAsync(
            Proxy("port", taken.Address) + Proxy("directory", $"unix:{folder}/missing/a.sock") + Proxy("descriptor", "fd:77")
            + Proxy("live", $"unix:{live}") + Proxy("file", $"unix:{file}") + Proxy("foreign", "192.0.2.1:1234")
            + Proxy("target", $"unix:{folder}/fine.sock", "fd:78"));
        Assert.Equal(1, status);
        foreach ((string proxy, string why) in new[]
        {
            ("port", "in use"), ("directory", "directory does not exist"), ("descriptor", "descriptor 77"), ("live", "another process listens"),
            ("file", "no socket"), ("foreign", "not one of this machine"), ("target", "descriptor 78"),
        })
        {
            string line = Assert.Single(errors.Split('\n'), l => l.Contains($"proxy {proxy}:", StringComparison.Ordinal));
            Assert.Contains(why, line, StringComparison.Ordinal);
        }

        Assert.Equal("mine", await File.ReadAllTextAsync(file));
        Assert.True(File.Exists(live), "the socket of another process stays");
        Assert.False(File.Exists(Path.Combine(folder, "fine.sock")), "what was bound before the failure is gone again");
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task What_is_in_the_way_at_a_path_is_told_by_check_in_the_words_of_a_start()
    {
        string folder = Directory.CreateTempSubdirectory("bitflow-start-").FullName;
        using Socket socket = Wire.NewSocket(Family.Unix);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(folder, "socket")));
        await File.WriteAllTextAsync(Path.Combine(folder, "file"), "mine");
        File.CreateSymbolicLink(Path.Combine(folder, "link"), "socket");
        string Listens(string at) => $$"""
            - { name: web, listener: { address: 'unix:{{folder}}/{{at}}' }, targets: [ { name: a, address: '127.0.0.1:9' } ] }

            """;
        string Logs(string at) => $$"""
            - { name: web, listener: { address: '127.0.0.1:0' }, targets: [ { name: a, address: '127.0.0.1:9' } ], options: { connection_log: '{{folder}}/{{at}}' } }

            """;
        foreach ((string proxy, string words) in new[]
        {
            (Listens("missing/a"), "the directory does not exist; make it first"),
            (Listens("file/a"), "the directory does not exist; make it first"),
            (Listens("file"), "something that is no socket is at that path; move it away"),
            (Listens("link"), "something that is no socket is at that path; move it away"),
            (Listens("."), "something that is no socket is at that path; move it away"),
            (Logs("missing/a"), "its directory does not exist; make it first"),
            (Logs("file/a"), "its directory does not exist; make it first"),
            (Logs("."), "it is a directory; name a file in it"),
            (Logs("socket"), "it is a socket, which takes no log by its path; name a file or a pipe"),
            (Logs("link"), "it is a socket, which takes no log by its path; name a file or a pipe"),
        })
        {
            (int checkedAs, string warned) = await CheckAsync(folder, proxy);
            Assert.Equal(0, checkedAs);
            Assert.Contains(words, warned, StringComparison.Ordinal);
            (int status, string errors) = await RunToEndAsync(proxy);
            Assert.Equal(1, status);
            Assert.Contains(words, errors, StringComparison.Ordinal);
        }

        foreach (string proxy in new[] { Listens("socket"), Listens("new"), Logs("file"), Logs("new") })
            Assert.Equal((0, ""), await CheckAsync(folder, proxy));
        Assert.Equal(["file", "link", "socket"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).Where(static name => name != "config.yaml").Order());
        Directory.Delete(folder, recursive: true);
    }

    private static async Task<(int Status, string Errors)> CheckAsync(string folder, string proxies)
    {
        string path = Path.Combine(folder, "config.yaml");
        await File.WriteAllTextAsync(path, $"server:\n  proxies:\n    {proxies}");
        (int status, _, string errors) = await ChildProcess.RunAsync(Repository.Binary, ["check", "--config", path]);
        return (status, errors);
    }

    [Fact]
    public async Task Whoever_has_a_Unix_path_is_told_apart_and_no_more_is_said_than_is_known()
    {
        string folder = Directory.CreateTempSubdirectory("bitflow-start-").FullName;
        UnixDomainSocketEndPoint At(string name) => new(Path.Combine(folder, name));
        using Socket live = Wire.NewSocket(Family.Unix);
        live.Bind(At("live"));
        live.Listen(8);
        using Socket full = Wire.NewSocket(Family.Unix);
        full.Bind(At("full"));
        full.Listen(0);
        using Socket filler = Wire.NewSocket(Family.Unix);
        await filler.ConnectAsync(At("full"));
        using Socket datagrams = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        datagrams.Bind(At("datagrams"));
        using Socket closed = Wire.NewSocket(Family.Unix);
        closed.Bind(At("closed"));
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(Path.Combine(folder, "closed"), UnixFileMode.None);

        // Root may connect whatever the mode says, unless that privilege is taken from it.
        using BitflowProcess bitflow = BitflowProcess.Launch(
            string.Concat(new[] { "live", "full", "datagrams", "closed" }.Select(name => Proxy(name, $"unix:{folder}/{name}"))),
            launcher: Environment.IsPrivilegedProcess ? ["setpriv", "--bounding-set", "-dac_override"] : null);
        Assert.Equal(1, await bitflow.ExitAsync());
        foreach ((string proxy, string why) in new[]
        {
            ("live", "another process listens there (ss -xlp shows which); stop it"), ("full", "another process listens there, and its backlog is full; stop it"),
            ("datagrams", "a socket of another kind, of datagrams or of packets, is at that path"),
            ("closed", "permission denied, so that nobody can tell whether somebody listens there"),
        })
        {
            string line = Assert.Single(bitflow.Errors.Split('\n'), l => l.Contains($"proxy {proxy}:", StringComparison.Ordinal));
            Assert.Contains(why, line, StringComparison.Ordinal);
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_descriptor_that_is_no_listening_socket_is_refused()
    {
        using BitflowProcess bitflow = BitflowProcess.Launch(
            Proxy("file", "fd:3") + Proxy("unconnected", "127.0.0.1:0", "fd:4") + Proxy("datagram", "fd:5") + Proxy("connected", "fd:6"),
            launcher: ["python3", "-c",
                """
                import os, socket, sys
                os.dup2(os.open("/dev/null", os.O_RDONLY), 3)
                kept = [socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM), *socket.socketpair()]
                for number, held in zip([4, 5, 6], kept):
                    os.dup2(held.fileno(), number)
                os.execv(sys.argv[1], sys.argv[1:])
                """]);
        Assert.Equal(1, await bitflow.ExitAsync());
        foreach (string proxy in new[] { "file", "unconnected", "datagram", "connected" })
            Assert.Single(bitflow.Errors.Split('\n'), l => l.Contains($"proxy {proxy}:", StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", bitflow.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_faulty_configuration_is_refused_with_all_of_its_errors()
    {
        (int status, string errors) = await RunToEndAsync(
            """
            - name: web
              listener: { address: '127.0.0.1:http', read_timeout: 5, colour: red }
              targets: [ { name: a, adress: '127.0.0.1:1', connect_attempts: -1 } ]
              options: { connection_load_balancer: random }
            """);
        Assert.Equal(2, status);
        foreach (string word in new[] { "listener.address", "read_timeout", "colour", "adress", "connect_attempts", "random" })
            Assert.Contains(word, errors, StringComparison.Ordinal);
        Assert.True(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length >= 6, errors);
    }

    [Fact]
    public async Task A_missing_configuration_and_unknown_arguments_are_unusable()
    {
        foreach (string[] arguments in new string[][] { ["--config", "/nonexistent.yaml"], ["--confg", "x"], ["check", "--config", "/nonexistent.yaml"], ["frobnicate"] })
        {
            (int status, _, string errors) = await ChildProcess.RunAsync(Repository.Binary, arguments);
            Assert.Equal(2, status);
            Assert.NotEmpty(errors);
            Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_file_of_a_unix_socket_is_replaced_when_stale_and_removed_only_while_it_is_ours()
    {
        string folder = Directory.CreateTempSubdirectory("bitflow-start-").FullName;
        string stale = Path.Combine(folder, "stale.sock");
        string moved = Path.Combine(folder, "moved.sock");
        using (var gone = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            gone.Bind(new UnixDomainSocketEndPoint(stale));

        // The platform removes the file of a socket that it bound: python leaves one behind.
        await ChildProcess.RunAsync("python3", ["-c", $"import socket; socket.socket(socket.AF_UNIX).bind({QuotedPath(stale)})"]);
        Assert.True(File.Exists(stale));
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            Proxy("stale", $"unix:{stale}", echo.Address) + Proxy("moved", $"unix:{moved}", echo.Address));
        using Socket open = await SocketWords.ConnectAsync(new UnixDomainSocketEndPoint(stale));
        await open.SendAllAsync(new byte[] { 1 });
        Assert.Single(await open.ReadExactlyAsync(1));

        // Another program takes the path over while we run: that file is not ours to remove.
        File.Move(moved, moved + ".away");
        await ChildProcess.RunAsync("python3", ["-c", $"import socket; socket.socket(socket.AF_UNIX).bind({QuotedPath(moved)})"]);
        bitflow.Signal("TERM");
        await Eventually.IsTrueAsync(() => !File.Exists(stale), "the file is removed at the start of the drain, not at its end");
        Assert.False(bitflow.HasExited);
        Assert.True(File.Exists(moved), "the file of another program stays");
        await open.SendAllAsync(new byte[] { 2 });
        Assert.Single(await open.ReadExactlyAsync(1));
        open.Dispose();
        Assert.Equal(0, await bitflow.ExitAsync());
        Directory.Delete(folder, recursive: true);
    }

    private static string QuotedPath(string path) => $"'{path}'";
}
