using System.Diagnostics;
using Bitflow.Bench.Load;
using Bitflow.Bench.Proxies;

namespace Bitflow.Bench.Measures;

/// <summary>
/// Workloads that carry bytes. Everyone is started, checked and warmed up; then rounds, in each of which every contender does the same fixed
/// work at full speed (processor time and rate) and, where there are latencies, a paced run: the same load for all, a fixed share of what the
/// slowest can do, each unit timed from the moment it was due. A round is cut into turns, in which the contenders alternate: what disturbs
/// the machine for a second disturbs all of them. Processor time is summed over a round, so that nothing of it is left out; latencies are those of a turn,
/// so that a few milliseconds in which the machine does something else are not the 99th percentile of a whole round.
/// </summary>
internal sealed class TrafficMeasure(Workload workload, Scale scale, Arena arena)
{
    /// <summary>How much of the slowest contender's rate the common pace is: well below where queues decide the latency.</summary>
    private const double PaceShare = 0.4;

    /// <summary>Fewer resumed handshakes would be another workload. (The first of each client may lack a session.)</summary>
    private const double ResumedShare = 0.98;

    private const long CheckedBytes = 3_000_017;

    private static readonly TimeSpan SettleLimit = TimeSpan.FromSeconds(10);

    /// <summary>Streams are not made shorter: they need time to come to their speed.</summary>
    private int UnitsATurn => Math.Max(workload.Units / scale.Divisor / scale.Turns, workload.Clients);

    private bool HasLatency => workload.Kind is Kind.Requests or Kind.Hello;

    /// <summary>Measures; answers the pace, and fills in what each contender did.</summary>
    public double Measure(IReadOnlyList<Contender> contenders, Dictionary<string, Samples> results)
    {
        var running = new List<RunningProxy>();
        try
        {
            double slowest = double.MaxValue;
            foreach ((string name, Func<RunningProxy> start) in Starts(contenders))
            {
                Samples samples = results[name] = new Samples();
                Attempt(samples, () =>
                {
                    RunningProxy proxy = start();
                    running.Add(proxy);
                    Check(proxy);
                    slowest = Math.Min(slowest, WarmUp(proxy));
                });
            }
            double pace = HasLatency ? slowest * PaceShare : 0;
            for (int round = 0; round < scale.Rounds; round++)
                Round(running, round, results, pace);
            return pace;
        }
        finally
        {
            running.ForEach(proxy => proxy.Dispose());
        }
    }

    private IEnumerable<(string Name, Func<RunningProxy> Start)> Starts(IReadOnlyList<Contender> contenders)
    {
        foreach (Contender contender in contenders)
            yield return (contender.Name, () => RunningProxy.Start(contender, arena, workload.BufferBytes));
        // Without a proxy there is no TLS, no header and no route.
        if (workload.Service == Service.Plain)
            yield return ("direct", () => RunningProxy.Direct(arena.TargetPort("direct")));
    }

    private void Attempt(Samples samples, Action action)
    {
        try
        {
            action();
            if (arena.TargetFault is { } fault)
                throw new BenchException(fault);
        }
        catch (BenchException fault)
        {
            samples.Fault = fault.Message;
            Console.Error.WriteLine(fault.Message);
        }
    }

    private void Round(List<RunningProxy> running, int round, Dictionary<string, Samples> results, double pace)
    {
        var tallies = running.ToDictionary(static proxy => proxy, static _ => new Tally());
        for (int turn = 0; turn < scale.Turns; turn++)
        {
            // Whoever goes first, or after whom, changes from turn to turn.
            for (int i = 0; i < running.Count; i++)
            {
                RunningProxy proxy = running[(i + round + turn) % running.Count];
                Samples samples = results[proxy.Name];
                if (samples.Fault is null)
                    Attempt(samples, () => Turn(proxy, tallies[proxy], samples, pace));
            }
        }

        foreach ((RunningProxy proxy, Tally tally) in tallies)
        {
            if (results[proxy.Name].Fault is null)
                Attempt(results[proxy.Name], () => Sum(proxy, tally, results[proxy.Name], pace));
            else
                Console.Error.Write(proxy.Errors);
        }
    }

    private void Turn(RunningProxy proxy, Tally tally, Samples samples, double pace)
    {
        using (var clients = new Clients(PlanFor(proxy)))
        {
            clients.Open(workload.Clients);
            if (workload.ConnectsEach)
                Settle();
            long before = proxy.CpuNanoseconds();
            Run run = clients.Go(UnitsATurn, 0);
            if (workload.ConnectsEach)
                Settle();
            tally.Spent += proxy.CpuNanoseconds() - before;
            tally.Seconds += run.Seconds;
            tally.Resumed += run.Resumed;
        }
        if (pace > 0)
        {
            using var clients = new Clients(PlanFor(proxy));
            clients.Open(workload.Clients);
            long before = proxy.CpuNanoseconds();
            Run run = clients.Go(Math.Max((int)(pace * scale.PacedSeconds / scale.Turns), 20), pace);
            if (workload.ConnectsEach)
                Settle();
            tally.PacedSpent += proxy.CpuNanoseconds() - before;
            tally.Paced += run.Latencies.Length;
            samples.Add(Metric.P50, Statistics.Percentile(run.Latencies, 50));
            samples.Add(Metric.P99, Statistics.Percentile(run.Latencies, 99));
        }
        Settle();
    }

    private void Sum(RunningProxy proxy, Tally tally, Samples samples, double pace)
    {
        int units = UnitsATurn * scale.Turns;
        double done = workload.Unit == "GB" ? units * StreamBytes / 1e9 : units;
        // Milliseconds a GB, microseconds of everything else.
        samples.Add(Metric.Cpu, tally.Spent / done / (workload.Unit == "GB" ? 1e6 : 1e3));
        samples.Add(Metric.Rate, done / tally.Seconds);
        if (workload.Resumes && tally.Resumed < (units * ResumedShare) - (workload.Clients * scale.Turns))
            throw new BenchException($"only {tally.Resumed} of {units} handshakes were resumed");
        if (pace > 0)
            samples.Add(Metric.PacedCpu, tally.PacedSpent / 1e3 / tally.Paced);
        samples.Add(Metric.Resident, proxy.ResidentBytes() / 1048576.0);
    }

    private double WarmUp(RunningProxy proxy)
    {
        double rate = 0;
        long began = Stopwatch.GetTimestamp();
        for (int i = 0; i < 2 || Stopwatch.GetElapsedTime(began).TotalSeconds < scale.WarmUpSeconds; i++)
        {
            using var clients = new Clients(PlanFor(proxy));
            clients.Open(workload.Clients);
            rate = UnitsATurn / clients.Go(UnitsATurn, 0).Seconds;
        }
        Settle();
        return rate;
    }

    /// <summary>The answers must be right before anything is timed: both directions compared byte by byte, routes, headers.</summary>
    private void Check(RunningProxy proxy)
    {
        byte header = workload.Service == Service.Header ? (byte)1 : (byte)0;
        if (workload.Service == Service.Sni)
        {
            CheckOne(proxy, Exchange.Hello(arena.Tls.Hello("a.bench.example")), Arena.TargetName, 0);
            CheckOne(proxy, Exchange.Hello(arena.Tls.Hello("b.bench.example")), proxy.Port(Service.Sni) == arena.TargetPort(proxy.Name) ? Arena.TargetName : Arena.OtherName, 0);
            return;
        }
        CheckOne(proxy, Exchange.Request with { Compares = true }, Arena.TargetName, header);
        CheckOne(proxy, Exchange.Download(CheckedBytes, compare: true), Arena.TargetName, header);
        CheckOne(proxy, Exchange.Upload(CheckedBytes, compare: true), Arena.TargetName, header);
    }

    private void CheckOne(RunningProxy proxy, Exchange exchange, byte target, byte header)
    {
        Plan plan = PlanFor(proxy) with { Exchange = exchange, ConnectsEach = true, Clients = 2, ExpectedTarget = target, ExpectedHeader = header };
        using var clients = new Clients(plan);
        clients.Open(plan.Clients);
        clients.Go(4, 0);
        Settle();
    }

    /// <summary>Waits until the proxies have ended what the clients have ended.</summary>
    private void Settle()
    {
        long began = Stopwatch.GetTimestamp();
        while (arena.OpenAtTarget > 0)
        {
            if (Stopwatch.GetElapsedTime(began) > SettleLimit)
                throw new BenchException($"{arena.OpenAtTarget} connections to the target stayed open after their clients had ended");
            Thread.Sleep(1);
        }
    }

    private long StreamBytes => workload.StreamBytes / scale.Divisor;

    private Plan PlanFor(RunningProxy proxy) =>
        new()
        {
            Port = proxy.Port(workload.Service),
            Clients = workload.Clients,
            ConnectsEach = workload.ConnectsEach,
            Tls = workload.Tls ? arena.Tls : null,
            Resumes = workload.Resumes,
            ExpectedTarget = Arena.TargetName,
            ExpectedHeader = workload.Service == Service.Header ? (byte)1 : (byte)0,
            Exchange = workload.Kind switch
            {
                Kind.Download => Exchange.Download(StreamBytes, compare: false),
                Kind.Upload => Exchange.Upload(StreamBytes, compare: false),
                Kind.Hello => Exchange.Hello(arena.Tls.Hello("a.bench.example")),
                _ => Exchange.Request,
            },
        };

    /// <summary>What one contender did in the turns of a round.</summary>
    private sealed class Tally
    {
        public long Spent { get; set; }

        public double Seconds { get; set; }

        public int Resumed { get; set; }

        public long PacedSpent { get; set; }

        public int Paced { get; set; }
    }
}
