using System.Diagnostics;
using Bitflow.Bench.Load;
using Bitflow.Bench.Proxies;

namespace Bitflow.Bench.Measures;

/// <summary>
/// What an idle connection costs in resident memory, as a slope, so that what a program needs anyway drops out. Each connection has had one
/// exchange. A fresh process for each contender and round. The kernel's own memory for sockets is the same for all and not counted.
/// What is idle stays so for long: a burst's working memory, which a program returns within seconds, is no part of it.
/// </summary>
internal sealed class IdleMeasure(Workload workload, Scale scale, Arena arena)
{
    private static readonly TimeSpan SettleLimit = TimeSpan.FromSeconds(15);

    private readonly TimeSpan _rest = TimeSpan.FromSeconds(scale.RestSeconds);

    public void Measure(IReadOnlyList<Contender> contenders, Dictionary<string, Samples> results)
    {
        for (int round = 0; round < scale.Rounds; round++)
        {
            foreach (Contender contender in contenders)
            {
                if (!results.TryGetValue(contender.Name, out Samples? samples))
                    results[contender.Name] = samples = new Samples();
                if (samples.Fault is not null)
                    continue;
                try
                {
                    Round(contender, samples);
                }
                catch (BenchException fault)
                {
                    samples.Fault = fault.Message;
                }
            }
        }
    }

    private void Round(Contender contender, Samples samples)
    {
        if (Arena.Connections < scale.IdleLevels[^1])
            throw new BenchException($"the limit on descriptors (ulimit -n) carries no {scale.IdleLevels[^1]} connections");
        using var proxy = RunningProxy.Start(contender, arena, workload.BufferBytes);
        var resident = new double[scale.IdleLevels.Count];
        using (var clients = new Clients(new Plan
        {
            Port = proxy.Port(workload.Service),
            Exchange = Exchange.Request,
            Clients = scale.IdleLevels[^1],
            Tls = workload.Tls ? arena.Tls : null,
            ExpectedTarget = Arena.TargetName,
        }))
        {
            for (int i = 0; i < resident.Length; i++)
            {
                clients.Open(scale.IdleLevels[i]);
                if (arena.OpenAtTarget < scale.IdleLevels[i])
                    throw new BenchException($"{arena.OpenAtTarget} of {scale.IdleLevels[i]} idle connections were still open");
                resident[i] = SettledBytes(proxy) / 1024.0;
            }
        }
        samples.Add(Metric.IdleTo4000, (resident[2] - resident[0]) / (scale.IdleLevels[2] - scale.IdleLevels[0]));
        samples.Add(Metric.IdleTo8000, (resident[3] - resident[1]) / (scale.IdleLevels[3] - scale.IdleLevels[1]));
        samples.Add(Metric.Resident, resident[3] / 1024);
    }

    /// <summary>Resident memory once it has not moved by a part in 500 for so long as to be at rest; after <see cref="SettleLimit"/> what it is then.</summary>
    private double SettledBytes(RunningProxy proxy)
    {
        long began = Stopwatch.GetTimestamp();
        long moved = began;
        double last = proxy.ResidentBytes();
        while (Stopwatch.GetElapsedTime(moved) < _rest && Stopwatch.GetElapsedTime(began) < SettleLimit)
        {
            Thread.Sleep(100);
            double now = proxy.ResidentBytes();
            if (Math.Abs(now - last) < last / 500)
                continue;
            last = now;
            moved = Stopwatch.GetTimestamp();
        }
        return proxy.ResidentBytes();
    }
}
