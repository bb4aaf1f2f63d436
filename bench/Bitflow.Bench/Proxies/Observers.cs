using System.Net;
using System.Net.Sockets;

namespace Bitflow.Bench.Proxies;

/// <summary>Everyone who watches a contender, as a busy site has it: a statsd receiver, and Prometheus that scrapes once a second.</summary>
internal sealed class Observers : IDisposable
{
    /// <summary>How many scrapes follow each other before anything counts: what is called often is compiled anew, which one a second would stretch over the first minute, and it is no part of the price of being watched.</summary>
    private const int WarmUpScrapes = 200;

    private static readonly TimeSpan ScrapeInterval = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Socket statsd = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly HttpClient scraper = new();
    private readonly CancellationTokenSource end = new();
    private long datagrams;
    private long scrapes;

    public Observers(int adminPort)
    {
        AdminPort = adminPort;
        statsd.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        StatsdPort = ((IPEndPoint)statsd.LocalEndPoint!).Port;
        _ = ReceiveAsync();
        _ = ScrapeAsync();
    }

    public int AdminPort { get; }

    public int StatsdPort { get; }

    /// <summary>Waits until the statsd receiver has seen something, and the scraper as much as warms up: what nobody watches must not count as watched.</summary>
    public void Await()
    {
        long began = Environment.TickCount64;
        while (Volatile.Read(ref datagrams) == 0 || Volatile.Read(ref scrapes) < WarmUpScrapes)
        {
            if (Environment.TickCount64 - began > Patience.TotalMilliseconds)
                throw new BenchException($"{datagrams} datagrams to statsd and {scrapes} scrapes: it is not watched");
            Thread.Sleep(20);
        }
    }

    public void Dispose()
    {
        end.Cancel();
        statsd.Dispose();
        scraper.Dispose();
    }

    /// <summary>Before the first nobody listens yet.</summary>
    private bool IsWarmingUp() => Volatile.Read(ref scrapes) is > 0 and < WarmUpScrapes;

    private async Task ReceiveAsync()
    {
        byte[] datagram = new byte[2048];
        try
        {
            while (true)
            {
                await statsd.ReceiveAsync(datagram.AsMemory(), end.Token).ConfigureAwait(false);
                Interlocked.Increment(ref datagrams);
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The end.
        }
    }

    private async Task ScrapeAsync()
    {
        var metrics = new Uri($"http://127.0.0.1:{AdminPort}/metrics");
        using var timer = new PeriodicTimer(ScrapeInterval);
        do
        {
            try
            {
                await scraper.GetByteArrayAsync(metrics, end.Token).ConfigureAwait(false);
                Interlocked.Increment(ref scrapes);
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException or ObjectDisposedException)
            {
                // It does not listen yet, or no more.
            }
        }
        while (!end.IsCancellationRequested && (IsWarmingUp() || await timer.WaitForNextTickAsync().ConfigureAwait(false)));
    }
}
