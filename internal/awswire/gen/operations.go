package main

import (
	"fmt"
	"sort"
	"strings"
)

func emitHandlers(p *plan) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\nimport (\n\t\"context\"\n\n\t\"lambent.dev/lambent/internal/awswire\"\n)\n", p.pkg)
	for _, op := range p.ops {
		fmt.Fprintf(&b, `
// %[1]sHandler offers the operation %[1]s.
type %[1]sHandler interface {
	%[1]s(ctx context.Context, p awswire.Principal, in *%[1]sInput) (*%[1]sOutput, error)
}
`, op.name)
	}
	return b.String(), nil
}

func emitOperations(p *plan) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\nimport \"lambent.dev/lambent/internal/awswire\"\n\n", p.pkg)
	b.WriteString(`// Service joins impl to the routes of the service: an operation is offered when impl has the
// interface of its name with Handler.
func Service(impl any) *awswire.Service {
	s := awswire.NewService(info(), operations())
`)
	for _, op := range p.ops {
		fmt.Fprintf(&b, "\tif h, ok := impl.(%[1]sHandler); ok {\n\t\tawswire.Offer(s, %[1]q, h.%[1]s)\n\t}\n", op.name)
	}
	b.WriteString("\treturn s\n}\n\n")
	md := p.m.Metadata
	signing := md.SigningName
	if signing == "" {
		signing = md.Endpoint
	}
	protocol, ok := map[string]string{"rest-json": "awswire.RESTJSON", "query": "awswire.Query"}[md.Protocol]
	if !ok {
		return "", fmt.Errorf("the protocol %q is not known", md.Protocol)
	}
	fmt.Fprintf(&b, "func info() awswire.Info {\n\treturn awswire.Info{\n\t\tName: %q,\n\t\tVersion: %q,\n\t\tSigningName: %q,\n\t\tProtocol: %s,\n",
		p.service, md.APIVersion, signing, protocol)
	if md.XMLNamespace != "" {
		fmt.Fprintf(&b, "\t\tXMLNamespace: %q,\n", md.XMLNamespace)
	}
	b.WriteString("\t}\n}\n\nfunc operations() []awswire.Operation {\n\treturn []awswire.Operation{\n")
	for _, op := range p.ops {
		p.emitOperation(&b, op)
	}
	b.WriteString("\t}\n}\n")
	return b.String(), nil
}

func (p *plan) emitOperation(b *strings.Builder, op *opPlan) {
	key := p.key(op.name)
	status := op.HTTP.ResponseCode
	if other, ok := statusOverrides[key]; ok {
		status = other
	}
	if status == 0 {
		status = 200
	}
	limit, ok := bodyLimits[key]
	if !ok {
		limit = maxBody{defaultMaxBody, op.name}
	}
	fmt.Fprintf(b, "\t\t{Name: %q, Method: %q, Path: %q, Status: %d, MaxBody: %d", op.name, op.HTTP.Method, op.HTTP.RequestURI, status, limit.bytes)
	if limit.name != op.name {
		fmt.Fprintf(b, ", LimitName: %q", limit.name)
	}
	if op.Output != nil && op.Output.ResultWrapper != "" {
		fmt.Fprintf(b, ", ResultWrapper: %q", op.Output.ResultWrapper)
	}
	if plainErrors[key] {
		b.WriteString(", PlainErrors: true")
	}
	b.WriteString("},\n")
}

// emitBindings writes how members outside the body are taken from the request and put into the
// response.
func emitBindings(p *plan) (string, error) {
	if p.m.Metadata.Protocol == "query" {
		return "", nil // every member is in the form
	}
	var b strings.Builder
	for _, op := range p.ops {
		if op.input != nil {
			if err := p.emitBind(&b, op.input); err != nil {
				return "", fmt.Errorf("%s: %w", op.name, err)
			}
		}
	}
	outputs := map[string]*structPlan{}
	for _, op := range p.ops {
		if op.output != nil {
			outputs[op.output.goName] = op.output
		}
	}
	names := make([]string, 0, len(outputs))
	for name := range outputs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if err := p.emitFill(&b, outputs[name]); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	if b.Len() == 0 {
		return "", nil
	}
	return fmt.Sprintf("package %s\n\nimport \"lambent.dev/lambent/internal/awswire\"\n%s", p.pkg, b.String()), nil
}

func (p *plan) emitBind(b *strings.Builder, s *structPlan) error {
	var lines []string
	for _, m := range s.shape.Members {
		field, name := exported(m.Name), wireName(&m.Value, m.Name)
		member := p.m.Shapes[m.Value.Shape]
		source, ok := map[string]string{"uri": "Path", "querystring": "Query", "header": "Header"}[m.Value.Location]
		switch {
		case m.Name == s.shape.Payload && member.Type == "blob":
			lines = append(lines, fmt.Sprintf("r.PayloadBytes(&in.%s)", field))
		case m.Name == s.shape.Payload && member.Type == "structure":
			lines = append(lines, fmt.Sprintf("awswire.PayloadJSON(r, &in.%s)", field))
		case m.Name == s.shape.Payload:
			return fmt.Errorf("a payload of type %s is not known", member.Type)
		case ok && member.Type == "list" && m.Value.Location == "querystring":
			lines = append(lines, fmt.Sprintf("r.QueryList(%q, &in.%s)", name, field))
		case ok && (member.Type == "list" || member.Type == "map" || member.Type == "structure" || member.Type == "blob"):
			return fmt.Errorf("a %s in the %s is not known", member.Type, m.Value.Location)
		case ok:
			lines = append(lines, fmt.Sprintf("r.%s%s(%q, &in.%s)", source, scalar(member.Type), name, field))
		case m.Value.Location != "":
			return fmt.Errorf("the location %q is not known", m.Value.Location)
		}
	}
	hasBody := s.shape.Payload == "" && hasBodyMembers(s)
	if len(lines) == 0 && hasBody {
		return nil // the whole input is the body, as it is without a method
	}
	fmt.Fprintf(b, "\n// BindRequest takes the members from the request.\nfunc (in *%s) BindRequest(r *awswire.Request) {\n", s.goName)
	if hasBody {
		b.WriteString("\tr.BodyJSON(in)\n")
	}
	for _, line := range lines {
		b.WriteString("\t" + line + "\n")
	}
	b.WriteString("}\n")
	return nil
}

func hasBodyMembers(s *structPlan) bool {
	for _, m := range s.shape.Members {
		if m.Value.Location == "" {
			return true
		}
	}
	return false
}

func scalar(kind string) string {
	return map[string]string{
		"string": "String", "integer": "Int", "long": "Long", "boolean": "Bool", "double": "Float", "timestamp": "Time",
	}[kind]
}

func (p *plan) emitFill(b *strings.Builder, s *structPlan) error {
	var lines []string
	for _, m := range s.shape.Members {
		field, name := exported(m.Name), wireName(&m.Value, m.Name)
		member := p.m.Shapes[m.Value.Shape]
		switch {
		case member.EventStream:
		case m.Value.Location == "statusCode":
			lines = append(lines, fmt.Sprintf("r.SetStatus(out.%s)", field))
		case m.Value.Location == "header" && member.Type == "string":
			lines = append(lines, fmt.Sprintf("r.SetHeader(%q, out.%s)", name, field))
		case m.Name == s.shape.Payload && member.Type == "blob":
			lines = append(lines, fmt.Sprintf("r.SetPayload(out.%s)", field))
		case m.Value.Location != "" || m.Name == s.shape.Payload:
			return fmt.Errorf("the output member %s is not known", m.Name)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	if s.shape.Payload == "" && !hasBodyMembers(s) {
		lines = append(lines, "r.SetPayload(nil)")
	}
	fmt.Fprintf(b, "\n// FillResponse puts the members that are not in the body into the response.\nfunc (out *%s) FillResponse(r *awswire.Response) {\n\t%s\n}\n",
		s.goName, strings.Join(lines, "\n\t"))
	return nil
}
