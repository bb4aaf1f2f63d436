using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Sockets that whoever started the program made: listeners under a service manager (systemd-socket-activate stands for it) or passed by
/// number, and a connected socket as a target.
/// </summary>
public sealed class InheritedSocketTests
{
    private const int CloseOnExec = 0x80000;

    [Theory]
    [InlineData("fd:web")]
    [InlineData("fd:3")]
    public async Task A_listener_is_found_by_its_name_or_its_number_and_kept_from_children(string address)
    {
        using var echo = Peer.Echo();
        int port = Ports.Next();
        using BitflowProcess bitflow = BitflowProcess.Launch(Proxy(address, echo.Address), launcher: Activate(["--fdname=web"], port));
        await EchoesAsync(port, bitflow);
        string flags = File.ReadLines($"/proc/{bitflow.Id}/fdinfo/3").Single(line => line.StartsWith("flags:", StringComparison.Ordinal));
        Assert.NotEqual(0, Convert.ToInt64(flags.Split('\t')[1], 8) & CloseOnExec);
    }

    [Fact]
    public async Task Sockets_that_share_a_name_all_serve_and_those_of_another_name_serve_their_own_proxy()
    {
        using var echo = Peer.Echo();
        using var other = Peer.Serving(s => s.SendAllAsync("other"u8.ToArray()));
        int first = Ports.Next();
        int second = Ports.Next();
        int third = Ports.Next();
        using BitflowProcess bitflow = BitflowProcess.Launch(
            Proxy("fd:web", echo.Address) + Proxy("fd:other", other.Address, "other"),
            launcher: Activate(["--fdname=web:other:web"], first, second, third));
        await EchoesAsync(first, bitflow);
        await EchoesAsync(third, bitflow);
        using Socket client = await ConnectAsync(second, bitflow);
        Assert.Equal("other", Encoding.ASCII.GetString(await client.ReadToEndAsync()));
    }

    [Fact]
    public async Task A_socket_that_nothing_asks_for_is_warned_of_at_the_start()
    {
        using var echo = Peer.Echo();
        int port = Ports.Next();
        using BitflowProcess bitflow = BitflowProcess.Launch(
            Proxy("fd:web", echo.Address), launcher: Activate(["--fdname=web:other"], port, Ports.Next()), level: "warn");
        await EchoesAsync(port, bitflow);
        await bitflow.SaysAsync(" WARN inherited, and used by no listener and no target: fd:4 (other); ");
    }

    [Fact]
    public async Task A_number_is_taken_as_it_is_though_the_variables_are_for_another_process()
    {
        using var echo = Peer.Echo();
        int port = Ports.Next();
        using BitflowProcess bitflow = BitflowProcess.Launch(
            Proxy("fd:3", echo.Address), launcher: [.. Activate([], port), "env", "LISTEN_PID=1"]);
        await EchoesAsync(port, bitflow);
    }

    [Theory]
    [InlineData("fd:mail", "", "LISTEN_FDNAMES has no such name; it has web")]
    [InlineData("fd:web", "LISTEN_PID=1", "the inherited sockets are for process 1")]
    [InlineData("fd:web", "LISTEN_FDS=x", "LISTEN_FDS is \"x\", which is no number")]
    [InlineData("fd:web", "LISTEN_FDNAMES=web:api", "2 names for 1 descriptors")]
    [InlineData("fd:77", "", "descriptor 77 is no socket that Bitflow was started with; pass it one under that number")]
    [InlineData("fd:0", "", "descriptor 0 is no socket that Bitflow was started with")]
    public async Task A_listener_that_was_not_passed_is_a_failed_start_that_says_what_was(string address, string variable, string words)
    {
        int port = Ports.Next();
        string[] changed = variable.Length == 0 ? [] : ["env", variable];
        using BitflowProcess bitflow = BitflowProcess.Launch(
            Proxy(address, "127.0.0.1:1"), launcher: [.. Activate(["--fdname=web"], port), .. changed]);
        using Socket client = await ConnectAsync(port, bitflow);
        Assert.Equal(1, await bitflow.ExitAsync());
        Assert.Contains(words, bitflow.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("authorized_sources")]
    [InlineData("trusted_proxies")]
    public async Task Networks_of_an_inherited_Unix_socket_are_a_failed_start_that_names_the_key(string key)
    {
        string path = Path.Combine(PeerProcess.NewHome(), "inherited.sock");
        string proxy = Proxy("fd:web", "127.0.0.1:1").Replace("  targets:", $"    {key}: [10.0.0.0/8]\n  targets:", StringComparison.Ordinal);
        Assert.Contains(key, proxy, StringComparison.Ordinal);
        using BitflowProcess bitflow = BitflowProcess.Launch(proxy, launcher: Activate(["--fdname=web"], path));
        using Socket client = await ConnectAsync(new UnixDomainSocketEndPoint(path), bitflow);
        Assert.Equal(1, await bitflow.ExitAsync());
        Assert.Contains($"proxy web: listener.{key}: fd:web is a Unix socket, whose clients have no IP address; remove this key", bitflow.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_path_of_an_inherited_Unix_socket_is_left_where_it_is()
    {
        using var echo = Peer.Echo();
        string path = Path.Combine(PeerProcess.NewHome(), "inherited.sock");
        using BitflowProcess bitflow = BitflowProcess.Launch(Proxy("fd:web", echo.Address), launcher: Activate(["--fdname=web"], path));
        using Socket client = await ConnectAsync(new UnixDomainSocketEndPoint(path), bitflow);
        await client.SendAllAsync("hello"u8.ToArray());
        Assert.Equal("hello"u8.ToArray(), await client.ReadExactlyAsync(5));
        client.Dispose();
        await bitflow.SaysAsync(" serves ");

        // A reload that keeps the socket asks it too.
        bitflow.Rewrite(Proxy("fd:web", echo.Address).Replace("  targets:", "    trusted_proxies: [10.0.0.0/8]\n  targets:", StringComparison.Ordinal));
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("proxy web: listener.trusted_proxies: fd:web is a Unix socket, whose clients have no IP address; remove this key");
        await bitflow.SaysAsync("was not taken on; everything is as it was");
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
        Assert.True(File.Exists(path));
    }

    [Fact]
    public async Task A_listener_dropped_by_a_reload_is_closed_and_asking_for_it_again_is_a_faulty_reload()
    {
        using var echo = Peer.Echo();
        int kept = Ports.Next();
        int dropped = Ports.Next();
        string both = Proxy("fd:kept", echo.Address) + Proxy("fd:dropped", echo.Address, "dropped");
        using BitflowProcess bitflow = BitflowProcess.Launch(both, launcher: Activate(["--fdname=kept:dropped"], kept, dropped));
        await EchoesAsync(kept, bitflow);
        await EchoesAsync(dropped, bitflow);
        bitflow.Rewrite(Proxy("fd:kept", echo.Address));
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("proxy dropped: no longer listening");
        await bitflow.SaysAsync(" WARN reload: listening socket fd:dropped: closed; it was inherited");
        await Assert.ThrowsAsync<SocketException>(() => SocketWords.ConnectAsync(new IPEndPoint(IPAddress.Loopback, dropped)));
        bitflow.Rewrite(both);
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("descriptor 4 was closed when an earlier configuration dropped it");
        await EchoesAsync(kept, bitflow);
    }

    [Fact]
    public async Task An_inherited_listener_is_not_mistaken_for_another_process_where_its_own_address_is_written()
    {
        using var echo = Peer.Echo();
        int port = Ports.Next();
        using BitflowProcess bitflow = BitflowProcess.Launch(Proxy("fd:web", echo.Address), launcher: Activate(["--fdname=web"], port));
        await EchoesAsync(port, bitflow);
        bitflow.Rewrite(Proxy($"127.0.0.1:{port}", echo.Address));
        bitflow.Signal("HUP");
        await bitflow.SaysAsync($"cannot listen on 127.0.0.1:{port}: Bitflow itself has the address: proxy web listens there with fd:web, which is inherited; go on writing fd:web");
        await EchoesAsync(port, bitflow);
    }

    [Fact]
    public async Task A_connected_socket_is_a_target_for_one_connection_and_used_up_after_it_across_reloads()
    {
        using var target = new Peer();
        string proxy = Proxy("127.0.0.1:0", "fd:9");
        Task<Socket> accepting = target.AcceptAsync();
        using BitflowProcess bitflow = await ConnectedToAsync(target, proxy);
        using Socket end = await accepting;
        using (Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint()))
        {
            await client.SendAllAsync("once"u8.ToArray());
            Assert.Equal("once"u8.ToArray(), await end.ReadExactlyAsync(4));
        }

        await UsedUpAsync(1);
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("is in force");
        await UsedUpAsync(2);

        async Task UsedUpAsync(int times)
        {
            using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
            Assert.Empty(await client.ReadToEndAsync());
            string line = await bitflow.EndsWithAsync("target.dial.used_up");
            Assert.Contains("used up", line, StringComparison.Ordinal);
            await Eventually.IsTrueAsync(() => bitflow.Errors.Split(": target.dial.used_up:").Length == times + 1, () => bitflow.Errors);
        }
    }

    [Theory]
    [InlineData("fd:77")]
    [InlineData("fd:1")]
    public async Task A_target_that_is_no_connected_socket_is_a_failed_start(string address)
    {
        using BitflowProcess bitflow = BitflowProcess.Launch(Proxy("127.0.0.1:0", address));
        Assert.Equal(1, await bitflow.ExitAsync());
        Assert.Contains("target t cannot be used: descriptor", bitflow.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_socket_of_the_process_itself_is_neither_a_listener_nor_a_target_by_its_number()
    {
        using var echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy("127.0.0.1:0", echo.Address));
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await client.SendAllAsync("mine"u8.ToArray());
        Assert.Equal("mine"u8.ToArray(), await client.ReadExactlyAsync(4));
        int[] all = Sockets(bitflow);
        Assert.True(all.Length >= 3, "a listener, a client's and a target's");
        bitflow.Rewrite(string.Concat(all.Select(n => Proxy($"fd:{n}", echo.Address, $"listener{n}"))));
        bitflow.Signal("HUP");
        foreach (int n in all)
            await bitflow.SaysAsync($"cannot listen on fd:{n}: descriptor {n} is no socket that Bitflow was started with");
        bitflow.Rewrite(string.Concat(all.Select(n => Proxy("127.0.0.1:0", $"fd:{n}", $"target{n}"))));
        bitflow.Signal("HUP");
        foreach (int n in all)
            await bitflow.SaysAsync($"proxy target{n}: target t cannot be used: descriptor {n} is no socket that Bitflow was started with");
        await EchoesAsync(bitflow.Port(), bitflow);
    }

    [Fact]
    public async Task The_number_of_a_used_up_target_is_no_listener_whatever_has_it_now()
    {
        using var target = new Peer();
        Task<Socket> accepting = target.AcceptAsync();
        using BitflowProcess bitflow = await ConnectedToAsync(target, Proxy("127.0.0.1:0", "fd:9"));
        using Socket end = await accepting;
        using (Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint()))
            await client.SendAllAsync("once"u8.ToArray());
        Assert.Equal("once"u8.ToArray(), await end.ReadExactlyAsync(4));
        bitflow.Rewrite(Proxy("fd:9", target.Address));
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("descriptor 9 was used up by an earlier connection");
    }

    /// <summary>Started with a connection to the peer as its descriptor 9.</summary>
    private static Task<BitflowProcess> ConnectedToAsync(Peer target, string proxy) =>
        BitflowProcess.StartAsync(proxy, launcher: ["bash", "-c", $"exec 9<>/dev/tcp/127.0.0.1/{target.Port}; exec \"$@\"", "bash"]);

    /// <summary>The numbers of the sockets that a process has.</summary>
    private static int[] Sockets(BitflowProcess bitflow) =>
    [
        .. Directory.GetFiles($"/proc/{bitflow.Id}/fd")
            .Where(static path => new FileInfo(path).LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) == true)
            .Select(static path => int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture)),
    ];

    private static string Proxy(string listener, string target, string name = "web") =>
        $"""
        - name: {name}
          listener:
            address: "{listener}"
          targets:
            - name: t
              address: "{target}"

        """;

    /// <summary>Listens, and starts the program at the first connection. It hands on only the variables that it is told to.</summary>
    private static string[] Activate(string[] options, params object[] listeners) =>
    [
        "systemd-socket-activate",
        .. Environment.GetEnvironmentVariable("DOTNET_ROOT") is null ? (string[])[] : ["-E", "DOTNET_ROOT"],
        .. options,
        .. listeners.SelectMany(l => (string[])["-l", l is int port ? $"127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}" : $"{l}"]),
    ];

    private static Task<Socket> ConnectAsync(int port, BitflowProcess bitflow) => ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), bitflow);

    /// <summary>Once the launcher listens there.</summary>
    private static async Task<Socket> ConnectAsync(EndPoint to, BitflowProcess bitflow)
    {
        Socket? socket = null;
        await Eventually.IsTrueAsync(
            () =>
            {
                Socket trial = new Socket(to.AddressFamily, SocketType.Stream, ProtocolType.Unspecified).Patient();
                try
                {
                    trial.Connect(to);
                    socket = trial;
                    return true;
                }
                catch (SocketException)
                {
                    trial.Dispose();
                    return bitflow.HasExited;
                }
            },
            $"something listens on {to}:\n{bitflow.Errors}");
        return socket ?? throw new InvalidOperationException($"nothing listens on {to}:\n{bitflow.Errors}");
    }

    private static async Task EchoesAsync(int port, BitflowProcess bitflow)
    {
        using Socket client = await ConnectAsync(port, bitflow);
        await client.SendAllAsync("hello"u8.ToArray());
        Assert.Equal("hello"u8.ToArray(), await client.ReadExactlyAsync(5));
    }
}
