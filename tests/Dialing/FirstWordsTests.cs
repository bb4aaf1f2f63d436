using Bitflow.Domain;
using Bitflow.Net.Dialing;
using Bitflow.Net.Transport;
using Bitflow.Tests.Fixtures;
using Xunit;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Dialing;

/// <summary>A client's first words travel with the PROXY header, and are the target's only once they are sent.</summary>
public sealed class FirstWordsTests
{
    [Theory]
    [InlineData(EngineKind.Linux)]
    [InlineData(EngineKind.Managed)]
    public async Task A_target_that_resets_between_its_connect_and_the_header_takes_none_of_the_clients_first_words(EngineKind kind)
    {
        using var backend = new Peer();
        using var dialer = new Dialer();
        using Engine engine = kind.Start();
        EventLoop loop = engine.Loops[0];
        Config config = RunningProxies.Read(
            $$"""
            server:
              proxies:
                - name: p
                  listener: { address: "127.0.0.1:0" }
                  targets: [ { name: t, address: "{{backend.Address}}" } ]
            """);
        var target = new TargetModel(config.Proxies[0].Targets[0], tls: null, new TargetReach());
        var caller = new TalkingCaller(() => backend.AcceptAsync().GetAwaiter().GetResult().Reset());
        var outcome = new TaskCompletionSource<DialOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.Post(() => _ = DialAsync());
        DialOutcome failed = await outcome.Task.Patiently();
        Assert.Null(failed.Connection);
        Assert.Equal(DialFault.NewExchange(IoFault.Reset), failed.Fault);
        Assert.Equal(0, failed.WordsSent);

        async Task DialAsync() => outcome.SetResult(await new DialAttempt(dialer, loop, target, caller, Instant.Never).RunAsync());
    }

    /// <summary>It has something to say, and is asked to be announced once the target's kernel has accepted.</summary>
    private sealed class TalkingCaller(Action connected) : ICaller
    {
        private bool _isConnected;

        public Endpoint Source => Endpoint.Unknown;

        public bool IsDualStack => false;

        public ReadOnlyMemory<byte> Announcement
        {
            get
            {
                if (!_isConnected)
                {
                    _isConnected = true;
                    connected();
                }

                return "PROXY UNKNOWN\r\n"u8.ToArray();
            }
        }

        public ReadOnlyMemory<byte> FirstWords() => "hello"u8.ToArray();
    }
}
