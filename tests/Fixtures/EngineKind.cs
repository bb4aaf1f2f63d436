using Bitflow.Net.Transport.Linux;
using Bitflow.Net.Transport.Managed;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Fixtures;

public enum EngineKind
{
    Linux,
    Managed,
}

internal static class EngineKinds
{
    public static Engine Start(this EngineKind kind) => kind == EngineKind.Linux ? new LinuxEngine(loops: 2) : new ManagedEngine();
}
