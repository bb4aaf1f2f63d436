using Bitflow.Bench.Proxies;

namespace Bitflow.Bench.Measures;

/// <summary>How long it takes from the start of a process to the first answer through it: listening alone would not show that it accepts.</summary>
internal sealed class StartMeasure(Workload workload, Scale scale, Arena arena)
{
    public void Measure(IReadOnlyList<Contender> contenders, Dictionary<string, Samples> results)
    {
        // The first round reads the programs from the disk and does not count.
        for (int round = -1; round < scale.Rounds; round++)
        {
            foreach (Contender contender in contenders)
            {
                if (!results.TryGetValue(contender.Name, out Samples? samples))
                    results[contender.Name] = samples = new Samples();
                if (samples.Fault is not null)
                    continue;
                try
                {
                    using var proxy = RunningProxy.Start(contender, arena, workload.BufferBytes);
                    if (round < 0)
                        continue;
                    samples.Add(Metric.Start, proxy.StartTime.TotalMilliseconds);
                    samples.Add(Metric.Resident, proxy.ResidentBytes() / 1048576.0);
                }
                catch (BenchException fault)
                {
                    samples.Fault = fault.Message;
                }
            }
        }
    }
}
