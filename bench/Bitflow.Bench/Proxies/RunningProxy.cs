using System.Diagnostics;
using System.Text;
using Bitflow.Bench.Load;

namespace Bitflow.Bench.Proxies;

/// <summary>A contender at work before the bench's target, until disposed.</summary>
internal sealed class RunningProxy : IDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(3);

    private readonly Process? process;
    private readonly Dictionary<Service, int> ports;
    private readonly StringBuilder errors = new();
    private IReadOnlyList<int> members = [];
    private Observers? observers;

    private RunningProxy(string name, Process? process, Dictionary<Service, int> ports)
    {
        Name = name;
        this.process = process;
        this.ports = ports;
    }

    public string Name { get; }

    /// <summary>From the call that starts the process to the first answer through its plain (else TLS) listener.</summary>
    public TimeSpan StartTime { get; private set; }

    public int Port(Service service) => ports[service];

    /// <summary>No proxy at all: the ceiling of the generator and its target.</summary>
    public static RunningProxy Direct(int target) =>
        new("direct", null, Enum.GetValues<Service>().ToDictionary(service => service, _ => target));

    /// <summary>Starts a contender and waits for its first answer.</summary>
    /// <param name="bufferBytes">The size of its buffers, where it has a setting for that.</param>
    public static RunningProxy Start(Contender contender, Arena arena, int bufferBytes)
    {
        string directory = Directory.CreateDirectory(Path.Combine(arena.Workshop.Root, contender.Name)).FullName;
        string config = Path.Combine(directory, contender.Template);
        var ports = contender.Services.ToDictionary(service => service, _ => arena.Ports.Next());
        // A listener that this contender does not use still has its place in the template.
        var values = new Dictionary<string, string>(contender.Settings)
        {
            ["dir"] = directory,
            ["config"] = config,
            ["buffer"] = Workshop.Number(bufferBytes),
            ["connections"] = Workshop.Number(Arena.Connections),
            ["descriptors"] = Workshop.Number(Arena.Connections * 2 + 500),
            ["target"] = Workshop.Number(arena.TargetPort(contender.Name)),
            ["other"] = Workshop.Number(arena.OtherPort),
            ["certificate.chain"] = arena.Workshop.Chain,
            ["certificate.key"] = arena.Workshop.Key,
            ["certificate.both"] = arena.Workshop.Both,
            ["nginx.stream"] = "/usr/lib/nginx/modules/ngx_stream_module.so",
        };
        foreach ((Service service, int port) in ports)
            values[Name(service)] = Workshop.Number(port);
        Observers? observers = contender.IsObserved ? new Observers(arena.Ports.Next()) : null;
        values["admin"] = Workshop.Number(observers?.AdminPort ?? 0);
        values["statsd"] = Workshop.Number(observers?.StatsdPort ?? 0);
        string template = File.ReadAllText(Path.Combine(arena.PeersDirectory, contender.Template));
        File.WriteAllText(config, Workshop.Fill(template, values));

        string program = contender.Locate() ?? throw new BenchException($"{contender.Program} is not installed");
        long began = Stopwatch.GetTimestamp();
        var start = new ProcessStartInfo(program, Workshop.Fill(contender.Arguments, values))
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            WorkingDirectory = directory,
        };
        foreach ((string variable, string value) in contender.Environment)
            start.Environment[variable] = value;
        Process process = Process.Start(start)!;
        var proxy = new RunningProxy(contender.Name, process, ports) { observers = observers };
        process.ErrorDataReceived += proxy.Hear;
        process.OutputDataReceived += proxy.Hear;
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        try
        {
            proxy.AwaitAnswer(arena, began);
            observers?.Await();
            proxy.members = new ProcessTree(process.Id).Members();
            return proxy;
        }
        catch
        {
            proxy.Dispose();
            throw;
        }

        static string Name(Service service) => service switch
        {
            Service.Plain => "plain",
            Service.Tls => "tls",
            Service.Sni => "sni",
            _ => "header",
        };
    }

    public long CpuNanoseconds() => process is null ? 0 : ProcessTree.CpuNanoseconds(members);

    public long ResidentBytes() => process is null ? 0 : ProcessTree.ResidentBytes(members);

    /// <summary>What it wrote, for the report of a fault.</summary>
    public string Errors
    {
        get
        {
            lock (errors)
                return errors.ToString();
        }
    }

    public void Dispose()
    {
        observers?.Dispose();
        if (process is null)
            return;
        IReadOnlyList<int> all = process.HasExited ? [] : new ProcessTree(process.Id).Members();
        // Killed: how a proxy drains is not measured here, and some would wait for their clients.
        foreach (int member in all)
            _ = Kernel.Kill(member, 9);
        process.WaitForExit(StopLimit);
        process.Dispose();
    }

    private void Hear(object sender, DataReceivedEventArgs line)
    {
        lock (errors)
        {
            if (line.Data is { } text && errors.Length < 4096)
                errors.AppendLine(text);
        }
    }

    private void AwaitAnswer(Arena arena, long began)
    {
        Service service = ports.ContainsKey(Service.Plain) ? Service.Plain : Service.Tls;
        while (true)
        {
            try
            {
                using var clients = new Clients(new Plan
                {
                    Port = Port(service),
                    Exchange = Exchange.Request,
                    Clients = 1,
                    Tls = service == Service.Tls ? arena.Tls : null,
                    ExpectedTarget = Arena.TargetName,
                    Limit = StartLimit,
                });
                clients.Open(1);
                StartTime = Stopwatch.GetElapsedTime(began);
                return;
            }
            catch (BenchException) when (Stopwatch.GetElapsedTime(began) < StartLimit && process is { HasExited: false })
            {
                // Refused: it does not listen yet. Half a millisecond is fine enough, and leaves it the core.
                Thread.Sleep(TimeSpan.FromMicroseconds(500));
            }
            catch (BenchException fault)
            {
                throw new BenchException($"{Name} did not answer: {fault.Message}\n{Errors}", fault);
            }
        }
    }
}
