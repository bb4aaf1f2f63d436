using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Observing;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Observing;

/// <summary>A record is promised soon behind the end of its connection, whatever the client does then.</summary>
public sealed class RefusalRecordTests
{
    [Theory]
    [InlineData(EngineKind.Linux)]
    [InlineData(EngineKind.Managed)]
    public async Task The_record_of_a_client_that_is_refused_and_stays_does_not_wait_until_it_is_sent_away(EngineKind engine)
    {
        var log = new AskingLog();
        using RunningProxies proxies = RunningProxies.One("127.0.0.1:9", engine, "trusted_proxies: [ 127.0.0.1 ]\n", options: "connection_log: asks\n", logs: log);
        using Socket client = await proxies.ConnectAsync();
        log.Client = client;
        await client.SendAsync("this is no PROXY header\r\n"u8.ToArray()).Patiently();
        Assert.True(await log.IsHeard.Patiently());
    }

    /// <summary>Asks, with the record in hand, whether the client is heard still.</summary>
    private sealed class AskingLog : IConnectionLogs, IConnectionLog
    {
        private readonly TaskCompletionSource<bool> _isHeard = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Socket? Client { get; set; }

        public Task<bool> IsHeard => _isHeard.Task;

        public IConnectionLog Open(string path, string proxy) => this;

        public void Write(ConnectionRecord record)
        {
            try
            {
                // The second is refused where the first was answered with a reset.
                Client!.Send("?"u8);
                Client.Send("?"u8);
                _isHeard.SetResult(true);
            }
            catch (SocketException)
            {
                _isHeard.SetResult(false);
            }
        }
    }
}
