using System.Globalization;
using Bitflow.Bench.Load;

namespace Bitflow.Bench.Proxies;

/// <summary>A process and its children, as a proxy with workers is, seen through the kernel's own accounts.</summary>
internal sealed class ProcessTree(int root)
{
    /// <summary>Every process of the tree that lives now.</summary>
    public IReadOnlyList<int> Members()
    {
        var parents = new List<(int Process, int Parent)>();
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), CultureInfo.InvariantCulture, out int process) && ParentOf(process) is { } parent)
                parents.Add((process, parent));
        }
        var members = new List<int> { root };
        for (int i = 0; i < members.Count; i++)
            members.AddRange(parents.Where(each => each.Parent == members[i]).Select(each => each.Process));
        return members;
    }

    /// <summary>
    /// Nanoseconds that the given processes have run, in user and kernel mode, threads that have ended included: the scheduler's own
    /// count (their CPU clock), where /proc's ticks of 10 ms would be a coarse sample.
    /// </summary>
    public static unsafe long CpuNanoseconds(IEnumerable<int> members)
    {
        long sum = 0;
        foreach (int member in members)
        {
            Kernel.Time time;
            // A process id as a clock: MAKE_PROCESS_CPUCLOCK(id, CPUCLOCK_SCHED).
            Kernel.Checked(Kernel.ClockTime((~member << 3) | 2, &time), "clock_gettime of a proxy's process");
            sum += time.Seconds * 1_000_000_000 + time.Nanoseconds;
        }
        return sum;
    }

    /// <summary>Resident memory of the given processes in bytes (VmRSS).</summary>
    public static long ResidentBytes(IEnumerable<int> members)
    {
        long sum = 0;
        foreach (int member in members)
        {
            foreach (string line in File.ReadLines($"/proc/{member}/status"))
            {
                if (line.StartsWith("VmRSS:", StringComparison.Ordinal))
                    sum += long.Parse(line.AsSpan(6).Trim().ToString().Split(' ')[0], CultureInfo.InvariantCulture) * 1024;
            }
        }
        return sum;
    }

    private static int? ParentOf(int process)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{process}/stat");
            // The name stands in parentheses and may hold anything; state and parent follow it.
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
