using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Bitflow.Bench.Proxies;

namespace Bitflow.Bench;

/// <summary>What a result was measured on, and with which versions.</summary>
internal static class Machine
{
    /// <summary>Model of the processor, cores, memory, kernel: no host name.</summary>
    public static string Describe()
    {
        string model = First("/proc/cpuinfo", "model name") ?? RuntimeInformation.ProcessArchitecture.ToString();
        double gibibytes = double.Parse((First("/proc/meminfo", "MemTotal") ?? "0 kB").Split(' ')[0], CultureInfo.InvariantCulture) / 1048576;
        string kernel = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        return string.Create(
            CultureInfo.InvariantCulture, $"{model}, {Environment.ProcessorCount} cores, {gibibytes:F0} GiB, Linux {kernel}");
    }

    /// <summary>
    /// How many processors are busy, over a second in which the bench does nothing: what else the machine is doing. The load average would tell of the minute before, in which a
    /// build or another run may have ended.
    /// </summary>
    public static double OtherLoad()
    {
        (double busy, double all) before = Ticks();
        Thread.Sleep(1_000);
        (double busy, double all) after = Ticks();
        return (after.busy - before.busy) / (after.all - before.all) * Environment.ProcessorCount;
    }

    /// <summary>Of all processors since the start of the machine (proc_stat(5)): user, nice, system, idle, iowait, irq, softirq and steal.</summary>
    private static (double Busy, double All) Ticks()
    {
        double[] ticks = [.. File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..9].Select(each => double.Parse(each, CultureInfo.InvariantCulture))];
        return (ticks.Sum() - ticks[3] - ticks[4], ticks.Sum());
    }

    /// <summary>The versions of those who entered, as they print them.</summary>
    public static string Versions(IEnumerable<Contender> contenders) =>
        string.Join(", ", contenders.Where(each => each.Locate() is not null).Select(VersionOf).Distinct());

    private static string VersionOf(Contender contender)
    {
        using Process process = Process.Start(new ProcessStartInfo(contender.Locate()!, contender.VersionArgument)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string text = process.StandardOutput.ReadToEnd() + " " + errors.Result;
        process.WaitForExit();
        string? version = text.Split([' ', '/', '\n', ','], StringSplitOptions.RemoveEmptyEntries)
            .FirstOrDefault(word => word.Contains('.', StringComparison.Ordinal) && char.IsDigit(word[0]));
        return $"{Path.GetFileName(contender.Program).Replace("-linux-x64", "", StringComparison.Ordinal)} {version}";
    }

    private static string? First(string file, string key) =>
        File.ReadLines(file).FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal))?.Split(':', 2)[1].Trim();
}
